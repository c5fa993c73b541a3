package dev.diptych.tokenizers;

import com.twelvemonkeys.imageio.plugins.webp.WebPImageReaderSpi;
import java.awt.image.Raster;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/**
 * A WebP picture (RFC 9649), lossy or lossless; of an animation the first frame, on black where it
 * leaves the canvas free.
 *
 * <p>Lossless frames go to TwelveMonkeys's decoder as one bare VP8L chunk; lossy ones to {@link
 * Vp8Frame}, because that decoder (3.14.0) filters macroblocks before their neighbours are
 * predicted from them and is up to 36 levels off. The alpha plane of a lossy picture is a lossless
 * one without its header, or bare bytes.
 */
final class WebpImage implements EncodedImage {
  private final byte[] data;
  private final ByteBuffer bytes;
  private int width;
  private int height;
  private int frameX;
  private int frameY;
  private int frameWidth;
  private int frameHeight;
  private int bitstream = -1;
  private int alphaStart = -1;
  private int alphaLength;
  private boolean lossy;
  private byte[] exif;

  private WebpImage(byte[] data) {
    this.data = data;
    this.bytes = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
  }

  static WebpImage open(byte[] data) throws DamagedImageException {
    WebpImage image = new WebpImage(data);
    long end = 8 + (data.length < 8 ? 0 : image.bytes.getInt(4) & 0xffffffffL);
    if (end > data.length) {
      throw cutOff(end, data.length);
    }
    image.walk(12, (int) end);
    if (image.bitstream < 0) {
      throw new DamagedImageException("a VP8 or VP8L chunk", "none");
    }
    if (image.width == 0) {
      image.width = image.frameWidth;
      image.height = image.frameHeight;
    }
    boolean inside =
        image.frameX + image.frameWidth <= image.width
            && image.frameY + image.frameHeight <= image.height;
    if (!inside) {
      throw new DamagedImageException(
          "a frame inside the canvas of " + image.width + "x" + image.height + " pixels",
          image.frameWidth + "x" + image.frameHeight);
    }
    return image;
  }

  private static DamagedImageException cutOff(long needed, int found) {
    return new DamagedImageException(
        needed + " bytes", "the end of the file at byte " + found + "; is it cut off?");
  }

  private void walk(int start, int end) throws DamagedImageException {
    int at = start;
    while (end - at >= 8) {
      String type = new String(data, at, 4, StandardCharsets.ISO_8859_1);
      long length = bytes.getInt(at + 4) & 0xffffffffL;
      int body = at + 8;
      if (body + length > end) {
        throw cutOff(body + length, end);
      }
      switch (type) {
        case "VP8X" -> {
          width = 1 + int24(body + 4);
          height = 1 + int24(body + 7);
        }
        case "ANMF" -> {
          if (bitstream < 0) {
            frameX = 2 * int24(body);
            frameY = 2 * int24(body + 3);
            walk(body + 16, (int) (body + length));
          }
        }
        case "VP8 ", "VP8L" -> openBitstream(at, type.equals("VP8 "));
        case "ALPH" -> {
          if (bitstream < 0 && length > 1) {
            alphaStart = body;
            alphaLength = (int) length;
          }
        }
        case "EXIF" -> exif = ExifOrientation.payload(data, body, (int) length);
        default -> {}
      }
      at = (int) Math.min(end, body + length + (length & 1));
    }
  }

  private void openBitstream(int at, boolean lossy) {
    if (bitstream >= 0) {
      return;
    }
    bitstream = at;
    this.lossy = lossy;
    if (lossy) {
      frameWidth = bytes.getShort(at + 14) & 0x3fff;
      frameHeight = bytes.getShort(at + 16) & 0x3fff;
    } else {
      int sizes = bytes.getInt(at + 9);
      frameWidth = 1 + (sizes & 0x3fff);
      frameHeight = 1 + ((sizes >>> 14) & 0x3fff);
    }
  }

  private int int24(int at) {
    return (bytes.getShort(at) & 0xffff) | (data[at + 2] & 0xff) << 16;
  }

  @Override
  public String format() {
    return "WebP";
  }

  @Override
  public int width() {
    return width;
  }

  @Override
  public int height() {
    return height;
  }

  @Override
  public byte[] exif() {
    return exif;
  }

  @Override
  public Pixels decode() throws IOException {
    Pixels frame = decodeFrame();
    if (frameWidth == width && frameHeight == height) {
      return frame;
    }
    byte[] alpha = frame.alpha() == null ? null : onCanvas(frame.alpha(), 1);
    return new Pixels(onCanvas(frame.rgb(), 3), alpha);
  }

  private byte[] onCanvas(byte[] frame, int channels) {
    byte[] canvas = new byte[Math.multiplyExact(channels, Math.multiplyExact(width, height))];
    for (int y = 0; y < frameHeight; y++) {
      int to = channels * ((frameY + y) * width + frameX);
      System.arraycopy(frame, channels * frameWidth * y, canvas, to, channels * frameWidth);
    }
    return canvas;
  }

  private Pixels decodeFrame() throws IOException {
    int start = bitstream + 8;
    int length = bytes.getInt(bitstream + 4);
    if (lossy) {
      byte[] rgb = Vp8Frame.decode(data, start, start + length, frameWidth, frameHeight);
      return new Pixels(rgb, alphaStart < 0 ? null : lossyAlpha());
    }
    boolean hasAlpha = (bytes.getInt(bitstream + 9) >>> 28 & 1) != 0;
    Raster raster = lossless(data, start, length);
    byte[] rgb = new byte[Math.multiplyExact(3, Math.multiplyExact(frameWidth, frameHeight))];
    for (int channel = 0; channel < 3; channel++) {
      copyBand(raster, channel, rgb, channel, 3);
    }
    if (!hasAlpha || raster.getNumBands() < 4) {
      return Pixels.opaque(rgb);
    }
    byte[] alpha = new byte[frameWidth * frameHeight];
    copyBand(raster, 3, alpha, 0, 1);
    return new Pixels(rgb, alpha);
  }

  private void copyBand(Raster raster, int band, byte[] to, int offset, int step) {
    int[] row = new int[frameWidth];
    int at = offset;
    for (int y = 0; y < frameHeight; y++) {
      raster.getSamples(0, y, frameWidth, 1, band, row);
      for (int x = 0; x < frameWidth; x++, at += step) {
        to[at] = (byte) row[x];
      }
    }
  }

  /** RFC 9649, §2.7.1.2: compressed or bare differences from neighbours. */
  private byte[] lossyAlpha() throws IOException {
    int flags = data[alphaStart];
    int size = Math.multiplyExact(frameWidth, frameHeight);
    byte[] alpha = new byte[size];
    if ((flags & 3) == 0) {
      if (alphaLength - 1 < size) {
        throw new DamagedImageException(
            size + " bytes of alpha", (alphaLength - 1) + "; is the file cut off?");
      }
      System.arraycopy(data, alphaStart + 1, alpha, 0, size);
    } else {
      // The header that the stream lacks: signature, sides less one in 14 bits each.
      long header = 0x2f | (long) (frameWidth - 1) << 8 | (long) (frameHeight - 1) << 22;
      ByteBuffer stream =
          ByteBuffer.allocate(5 + alphaLength - 1).order(ByteOrder.LITTLE_ENDIAN);
      stream.putInt((int) header).put((byte) (header >>> 32));
      stream.put(data, alphaStart + 1, alphaLength - 1);
      copyBand(lossless(stream.array(), 0, stream.capacity()), 1, alpha, 0, 1);
    }
    unfilter(alpha, flags >> 2 & 3);
    return alpha;
  }

  /** Adds to each difference what was predicted: 1 from the left, 2 from above, 3 from both. */
  private void unfilter(byte[] alpha, int filter) {
    for (int at = filter == 0 ? alpha.length : 1; at < alpha.length; at++) {
      boolean first = at % frameWidth == 0;
      boolean top = at < frameWidth;
      int left = first ? 0 : alpha[at - 1] & 0xff;
      int above = top ? 0 : alpha[at - frameWidth] & 0xff;
      int predicted;
      if (top) {
        predicted = left;
      } else if (first || filter == 2) {
        predicted = above;
      } else if (filter == 1) {
        predicted = left;
      } else {
        int corner = alpha[at - frameWidth - 1] & 0xff;
        predicted = Math.min(Math.max(left + above - corner, 0), 255);
      }
      alpha[at] += (byte) predicted;
    }
  }

  private static Raster lossless(byte[] stream, int start, int length) throws IOException {
    int padded = 8 + length + (length & 1);
    ByteBuffer riff = ByteBuffer.allocate(12).order(ByteOrder.LITTLE_ENDIAN);
    riff.put("RIFF".getBytes(StandardCharsets.ISO_8859_1)).putInt(4 + padded);
    riff.put("WEBP".getBytes(StandardCharsets.ISO_8859_1));
    ByteBuffer chunk = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
    chunk.put("VP8L".getBytes(StandardCharsets.ISO_8859_1)).putInt(length);
    return new RasterReader()
        .add(riff.array())
        .add(chunk.array())
        .add(stream, start, length)
        .add(new byte[length & 1])
        .readWith(new WebPImageReaderSpi())
        .getRaster();
  }
}
