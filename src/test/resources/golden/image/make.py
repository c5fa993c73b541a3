"""What Pillow makes of the pictures: resizing (resize.zip) and file formats (formats/).

Written with Pillow 13.0.0 (libjpeg-turbo 3.2.0, libwebp 1.6.0) and NumPy 2.4.6; no randomness.
Run: python make.py, with transformers 5.18.0 and webp 0.4.0 installed. resize.zip holds one PNG a
case, named PHOTOGRAPH.FILTER.WIDTHxHEIGHT.png. pixel_values.f32 comes from transformers. formats/
holds NAME.EXT and what Pillow reads from it, NAME.expected.png.
"""
import io
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, ImageOps

HERE = Path(__file__).parent
FORMATS = HERE / "formats"
FILTERS = ["BOX", "BILINEAR", "HAMMING", "BICUBIC", "LANCZOS"]


def photograph(name):
    return Image.open(HERE / "photographs" / f"{name}.png").convert("RGB")


# Resizing -------------------------------------------------------------------------------------


def resize_cases():
    for name in ["chelsea", "coffee", "astronaut", "china", "tall", "wide"]:
        w, h = photograph(name).size
        sizes = [(48, 48), (1, 1), (w // 2, h // 2)]
        if name in ("tall", "wide"):
            sizes += [(48, 7), (7, 48), (w, 11), (11, h), (w + 9, 5), (5, h + 9), (w - 5, 13)]
        if name == "tall":
            # On either side of the point where Pillow 13 goes down before it goes across.
            sizes += [(w - 5, h - 10), (w - 5, h - 11), (w + 2, h - 1), (w + 2, h + 1)]
        if name == "chelsea":
            sizes += [(97, 53), (1, 37), (53, 1), (200, 3), (3, 200), (w - 1, h - 1), (w, h), (201, 149)]
        for width, height in sizes:
            yield name, width, height


def make_resize():
    with zipfile.ZipFile(HERE / "resize.zip", "w", zipfile.ZIP_STORED) as archive:
        for name, width, height in resize_cases():
            # Every filter where pictures are small; the large ones are for the towers' own filter.
            filters = FILTERS
            if width * height > 3_000:
                filters = ["BICUBIC"]
            elif name != "chelsea" and min(width, height) > 20 or height > 90:
                filters = ["BOX", "BICUBIC"]
            for filter_name in filters:
                out = photograph(name).resize((width, height), Image.Resampling[filter_name])
                data = io.BytesIO()
                out.save(data, "PNG", optimize=True)
                entry = zipfile.ZipInfo(f"{name}.{filter_name}.{width}x{height}.png")
                archive.writestr(entry, data.getvalue())
        # 1x1, 1xN and Nx1 sources, blown up
        for crop in [(90, 50, 91, 51), (90, 10, 91, 60), (40, 50, 100, 51)]:
            source = photograph("chelsea").crop(crop)
            for width, height in [(5, 7), (40, 1), (1, 40)]:
                for filter_name in FILTERS:
                    out = source.resize((width, height), Image.Resampling[filter_name])
                    data = io.BytesIO()
                    out.save(data, "PNG")
                    name = "crop_" + "_".join(map(str, crop))
                    entry = zipfile.ZipInfo(f"{name}.{filter_name}.{width}x{height}.png")
                    archive.writestr(entry, data.getvalue())


# Formats --------------------------------------------------------------------------------------


def expect(path, picture=None):
    if picture is None:
        picture = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    picture.save(FORMATS / f"{path.stem}.expected.png", optimize=True)


def save(picture, file, **options):
    picture.save(FORMATS / file, **options)
    expect(FORMATS / file)


def write(data, file, expected=None):
    (FORMATS / file).write_bytes(data)
    expect(FORMATS / file, expected)


def exif(orientation):
    block = Image.Exif()
    block[0x0112] = orientation
    block[0x010F] = "Camera of no make"
    return block


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, depth, colour, rows, before=b"", interlaced=False):
    """rows: a list of passes, each a list of packed rows."""
    raw = b"".join(b"\0" + row for one_pass in rows for row in one_pass)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before
        + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")
    )


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def pack(samples, depth):
    """samples [X, C] of one row to bytes."""
    flat = samples.reshape(-1)
    if depth == 16:
        return flat.astype(">u2").tobytes()
    if depth == 8:
        return flat.astype(np.uint8).tobytes()
    bits = "".join(format(int(v), f"0{depth}b") for v in flat)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))


def passes(samples, depth, interlaced):
    if not interlaced:
        return [[pack(row, depth) for row in samples]]
    out = []
    for x, y, dx, dy in ADAM7:
        part = samples[y::dy, x::dx]
        if part.size:
            out.append([pack(row, depth) for row in part])
    return out


def make_png(small):
    w, h = small.size
    rgb = np.asarray(small)
    gray = np.asarray(small.convert("L"))
    alpha = np.tile(np.linspace(0, 255, w).astype(np.uint8), (h, 1))
    rgba = Image.fromarray(np.dstack([rgb, alpha]))
    save(small, "rgb.png")
    save(small.convert("L"), "gray.png")
    save(small.convert("1"), "one_bit.png")
    save(small.quantize(256), "palette.png")
    save(small.quantize(16), "palette16.png", bits=4)
    save(small.quantize(3), "palette3.png", bits=2)
    save(small.quantize(2), "palette2.png", bits=1)
    save(small.quantize(40), "palette_transparent.png", transparency=7)
    save(rgba, "rgba.png")
    save(rgba.convert("LA"), "gray_alpha.png")
    save(small, "rgb_transparent.png", transparency=tuple(int(v) for v in rgb[0, 0]))
    save(small.convert("L"), "gray_transparent.png", transparency=int(gray[0, 0]))
    save(small, "icc_broken.png", icc_profile=b"no profile at all")
    save(small, "exif6.png", exif=exif(6))
    wide16 = (rgb.astype(np.uint32) * 257 + 77).clip(0, 65535)
    alpha16 = alpha.astype(np.uint32)[..., None] * 257
    gray16 = (gray.astype(np.uint32) * 250 + 1234).clip(0, 65535)[..., None]
    high_gray = Image.fromarray((gray16[..., 0] >> 8).astype(np.uint8)).convert("RGB")
    for depth in (2, 4):
        packed = (gray >> (8 - depth))[..., None]
        write(png(w, h, depth, 0, passes(packed, depth, False)), f"gray{depth}.png")
    palette = small.quantize(200)
    plte = chunk(b"PLTE", bytes(palette.getpalette()[: 3 * 200]))
    indices = np.asarray(palette)[..., None]
    for interlaced in (False, True):
        tail = "_interlaced.png" if interlaced else ".png"

        def both(samples, depth, colour, file, expected=None, before=b""):
            data = png(w, h, depth, colour, passes(samples, depth, interlaced), before, interlaced)
            write(data, file + tail, expected)

        # Pillow clips 16-bit gray at 255; what is expected here is the upper byte, as Pillow itself
        # takes it in 16-bit RGB.
        both(gray16, 16, 0, "gray16", high_gray)
        both(wide16, 16, 2, "rgb16")
        both(np.concatenate([wide16, alpha16], 2), 16, 6, "rgba16")
        both(np.concatenate([gray16, alpha16], 2), 16, 4, "gray_alpha16", high_gray)
        if interlaced:
            both(rgb, 8, 2, "rgb")
            both(indices, 8, 3, "palette", before=plte)
            both((gray >> 7)[..., None], 1, 0, "gray1")


def patched(data, marker, at, value):
    position = data.index(marker) + at
    return data[:position] + bytes([value]) + data[position + 1 :]


def without_segment(data, marker):
    start = data.index(marker)
    return data[:start] + data[start + 2 + struct.unpack(">H", data[start + 2 : start + 4])[0] :]


def jpeg(picture, **options):
    data = io.BytesIO()
    picture.save(data, "JPEG", **options)
    return data.getvalue()


def make_jpeg(small, medium):
    for name, sampling in [("444", 0), ("422", 1), ("420", 2)]:
        save(medium, f"jpeg_{name}.jpg", subsampling=sampling, quality=85)
    # One quality each from coarse to none; odd sizes; a single row and column of blocks.
    save(medium, "jpeg_420_q30.jpg", quality=30)
    save(medium, "jpeg_420_q100.jpg", quality=100, subsampling=2)
    save(small.crop((0, 0, 1, 1)), "jpeg_1x1.jpg")
    save(small.crop((0, 0, 17, 3)), "jpeg_17x3.jpg")
    save(medium, "jpeg_progressive.jpg", progressive=True, quality=80)
    save(medium, "jpeg_restart.jpg", quality=80, restart_marker_blocks=3)
    save(medium, "jpeg_rgb.jpg", quality=90, keep_rgb=True)
    # JFIF says YCbCr, whatever Adobe's marker behind it says.
    data = jpeg(small, quality=90, keep_rgb=True)
    jfif = b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
    write(data[:2] + jfif + data[2:], "jpeg_rgb_jfif.jpg")
    save(small.convert("L"), "jpeg_gray.jpg", quality=85)
    save(small, "jpeg_icc_broken.jpg", icc_profile=b"x" * 200_000)
    cmyk = small.convert("CMYK")
    save(cmyk, "jpeg_cmyk.jpg", quality=90)
    # The components hold YCC of the inverted CMY and inverted K; the marker then says so.
    ycc = np.asarray(small.convert("YCbCr"))
    key = np.full(ycc.shape[:2], 40, np.uint8)
    stored = Image.fromarray(255 - np.dstack([ycc, 255 - key]), "CMYK")
    data = jpeg(stored, quality=90)
    write(patched(data, b"\xff\xee\x00\x0eAdobe", 15, 2), "jpeg_ycck.jpg")
    write(without_segment(data, b"\xff\xee"), "jpeg_cmyk_unmarked.jpg")
    data = jpeg(small, quality=90, subsampling=2)
    write(without_segment(data, b"\xff\xe0"), "jpeg_no_jfif.jpg")
    write(without_segment(jpeg(small, quality=90, subsampling=0), b"\xff\xe0"), "jpeg_no_jfif_444.jpg")
    write(data + b"PK\x05\x06" + bytes(18), "jpeg_and_zip.jpg")
    for orientation in range(1, 9):
        save(small, f"jpeg_exif{orientation}.jpg", quality=90, exif=exif(orientation))
    write(jpeg(small, quality=90, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"), "jpeg_exif_broken.jpg")


def bmp(width, height, bits, body, compression=0, palette=b"", masks=b"", header=40):
    offset = 14 + header + len(masks) + len(palette)
    if header == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(body), 0, 0, 0, 0)
    return struct.pack("<2sIHHI", b"BM", offset + len(body), 0, 0, offset) + info + masks + palette + body


def make_bmp(small):
    w, h = small.size
    rgb = np.asarray(small).astype(np.uint32)
    save(small, "rgb.bmp")
    (FORMATS / "rgb.bmp").rename(FORMATS / "bmp24.bmp")
    (FORMATS / "rgb.expected.png").rename(FORMATS / "bmp24.expected.png")
    expect(FORMATS / "rgb.png")
    save(small.quantize(256), "bmp8.bmp")
    save(small.convert("1"), "bmp1.bmp")
    save(small.convert("L"), "bmp_gray.bmp")
    alpha = Image.new("L", small.size, 99)
    save(Image.merge("RGBA", (*small.split(), alpha)), "bmp32.bmp")

    def rows(packed):
        return b"".join(r.tobytes() + bytes(-len(r.tobytes()) % 4) for r in packed[::-1])

    r5 = (rgb[..., 0] >> 3) << 10 | (rgb[..., 1] >> 3) << 5 | rgb[..., 2] >> 3
    write(bmp(w, h, 16, rows(r5.astype("<u2"))), "bmp_555.bmp")
    r6 = (rgb[..., 0] >> 3) << 11 | (rgb[..., 1] >> 2) << 5 | rgb[..., 2] >> 3
    masks = struct.pack("<III", 0xF800, 0x7E0, 0x1F)
    write(bmp(w, h, 16, rows(r6.astype("<u2")), 3, masks=masks), "bmp_565.bmp")
    bgr = np.asarray(small)[..., ::-1].reshape(h, -1)
    write(bmp(w, -h, 24, rows(bgr[::-1])), "bmp_top_down.bmp")
    p = small.quantize(16)
    idx = np.asarray(p)
    colours = np.array(p.getpalette()[:48], np.uint8).reshape(-1, 3)
    quads = b"".join(bytes(c[::-1]) + b"\0" for c in colours)
    quads += bytes(4 * (256 - len(colours)))
    rle = b""
    for row in idx[::-1]:
        x = 0
        while x < w:
            n = 1
            while x + n < w and row[x + n] == row[x] and n < 255:
                n += 1
            rle += bytes([n, row[x]])
            x += n
        rle += b"\0\0"
    write(bmp(w, h, 8, rle + b"\0\1", 1, palette=quads), "bmp_rle8.bmp")
    os2 = b"".join(bytes(c[::-1]) for c in colours) + bytes(3 * (256 - len(colours)))
    write(bmp(w, h, 8, rows(idx), palette=os2, header=12), "bmp_os2.bmp")


def make_gif(small, other):
    save(small, "gif_still.gif")
    save(small.convert("L"), "gif_gray.gif")
    save(small, "gif_interlaced.gif", interlace=1)
    save(small.quantize(30), "gif_transparent.gif", transparency=3)
    save(small, "gif_animated.gif", save_all=True, append_images=[other, small.rotate(90)], duration=80)
    data = io.BytesIO()
    small.quantize(64).crop((0, 0, 20, 12)).save(data, "GIF")
    body = data.getvalue()
    w, h = small.size
    at = 13 + 3 * (2 << (body[10] & 7))
    frame = body[at + 8 :] if body[at] == 0x21 else body[at:]
    moved = body[:6] + struct.pack("<HH", w, h) + body[10:at]
    frame = b"\x2c" + struct.pack("<HH", 9, 14) + frame[5:]
    write(moved + frame, "gif_offset.gif")
    write(moved + b"\x21\xf9\x04\x01\0\0\x05\0" + frame, "gif_offset_transparent.gif")


def make_webp(small, medium):
    alpha = Image.fromarray(np.tile(np.linspace(0, 255, small.width).astype(np.uint8), (small.height, 1)))
    rgba = Image.merge("RGBA", (*small.split(), alpha))
    save(medium, "webp_q80.webp", quality=80)
    save(medium, "webp_q30.webp", quality=30)
    # Macroblocks without coefficients, whose inner edges are not filtered; detail in the last column.
    ramp = np.tile((np.arange(64) * 4).astype(np.uint8), (48, 1))
    save(Image.fromarray(ramp).convert("RGB"), "webp_ramp.webp", quality=20)
    save(photograph("coffee").crop((0, 50, 48, 98)), "webp_grain.webp", quality=90, method=6)
    save(medium, "webp_q100.webp", quality=100)
    save(small.crop((0, 0, 1, 1)), "webp_1x1.webp")
    save(small, "webp_small.webp", quality=75)
    save(medium, "webp_lossless.webp", lossless=True)
    save(small.quantize(12).convert("RGB"), "webp_lossless_palette.webp", lossless=True)
    save(rgba, "webp_alpha.webp", quality=80)
    save(rgba, "webp_lossless_alpha.webp", lossless=True, exact=True)
    save(small, "webp_exif8.webp", quality=80, exif=exif(8))
    save(small, "webp_exif3_lossless.webp", lossless=True, exif=exif(3))
    save(small, "webp_animated.webp", save_all=True, append_images=[medium.resize(small.size)], lossless=True)
    settings = {
        "webp_simple_filter": dict(filter_type=0, filter_strength=70, segments=3, quality=40),
        "webp_sharp_partitions": dict(filter_sharpness=5, filter_strength=90, partitions=3, quality=60),
        "webp_no_filter": dict(filter_strength=0, segments=1, method=0, quality=20),
    }
    for name, values in settings.items():
        write(webp_with(medium, **values), f"{name}.webp")


def webp_with(picture, quality, partitions=0, **values):
    """Settings of libwebp that Pillow does not offer, through webp 0.4.0."""
    import webp

    config = webp.WebPConfig.new(quality=quality)
    for key, value in values.items():
        setattr(config.ptr, key, value)
    # pass, show_compressed, preprocessing, partitions: the last is not declared by that package.
    webp.ffi.cast("int*", webp.ffi.addressof(config.ptr[0], "pass"))[3] = partitions
    return bytes(webp.WebPPicture.from_pil(picture).encode(config).buffer())


# Numbers --------------------------------------------------------------------------------------


def make_pixel_values():
    """Every byte through transformers 5.18.0's rescale and normalize, [case, 3, 256] float32."""
    from transformers.image_transforms import normalize, rescale

    ramp = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 3, axis=2)
    cases = [
        (0.00392156862745098, [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]),
        (1 / 255, [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]),
        (1 / 255, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        (1 / 127.5, [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]),
    ]
    out = []
    for scale, mean, std in cases:
        scaled = rescale(ramp, scale)
        out.append(normalize(scaled, mean, std, input_data_format="channels_last")[:, 0, :].T)
    (HERE / "pixel_values.f32").write_bytes(np.stack(out).astype("<f4").tobytes())


if __name__ == "__main__":
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    FORMATS.mkdir(exist_ok=True)
    for old in FORMATS.iterdir():
        old.unlink()
    make_resize()
    chelsea = photograph("chelsea").resize((45, 31), Image.LANCZOS)
    coffee = photograph("coffee").crop((50, 20, 121, 73))
    make_png(chelsea)
    make_jpeg(chelsea, coffee)
    make_bmp(chelsea)
    make_gif(chelsea, coffee.resize(chelsea.size))
    make_webp(chelsea, coffee)
    make_pixel_values()
