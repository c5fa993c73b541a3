package dev.diptych.tokenizers;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/** The formats that are read, told by their first bytes: names and suffixes lie. */
enum ImageFormat {
  PNG {
    @Override
    EncodedImage open(byte[] data) throws IOException {
      return PngImage.open(data);
    }
  },
  JPEG {
    @Override
    EncodedImage open(byte[] data) throws IOException {
      return JpegImage.open(data);
    }
  },
  WEBP {
    @Override
    EncodedImage open(byte[] data) throws IOException {
      return WebpImage.open(data);
    }
  },
  GIF {
    @Override
    EncodedImage open(byte[] data) throws IOException {
      return GifImage.open(data);
    }
  },
  BMP {
    @Override
    EncodedImage open(byte[] data) throws IOException {
      return BmpImage.open(data);
    }
  };

  /** Enough for every signature below. */
  static final int SIGNATURE_BYTES = 64;

  private static final String EXPECTED = "a PNG, JPEG, WebP, GIF or BMP picture";

  /** Reads the header. */
  abstract EncodedImage open(byte[] data) throws IOException;

  /**
   * Recognises a format.
   *
   * @param head the first bytes of a file
   * @throws DamagedImageException if it is none that is read; names what it is, where it is known
   */
  static ImageFormat of(byte[] head) throws DamagedImageException {
    if (starts(head, 0, "\u0089PNG\r\n\u001a\n")) {
      return PNG;
    }
    if (starts(head, 0, "\u00ff\u00d8\u00ff")) {
      return JPEG;
    }
    if (starts(head, 0, "RIFF") && starts(head, 8, "WEBP")) {
      return WEBP;
    }
    if (starts(head, 0, "GIF87a") || starts(head, 0, "GIF89a")) {
      return GIF;
    }
    if (starts(head, 0, "BM") && head.length >= 18 && head[15] == 0) {
      return BMP;
    }
    throw new DamagedImageException(EXPECTED, describe(head));
  }

  private static String describe(byte[] head) {
    if (head.length == 0) {
      return "no bytes at all";
    }
    if (starts(head, 4, "ftyp")) {
      return ofBrand(
          new String(head, 8, Math.min(4, head.length - 8), StandardCharsets.ISO_8859_1));
    }
    if (starts(head, 0, "II*\0") || starts(head, 0, "MM\0*")) {
      return "a TIFF picture; save it as PNG or JPEG first";
    }
    if (starts(head, 0, "%PDF")) {
      return "a PDF document; save the page as PNG first";
    }
    if (starts(head, 0, "\u00ff\n") || starts(head, 4, "JXL ")) {
      return "a JPEG XL picture; save it as PNG or JPEG first";
    }
    if (starts(head, 4, "jP  ")) {
      return "a JPEG 2000 picture; save it as PNG or JPEG first";
    }
    if (starts(head, 0, "version https://git-lfs")) {
      return "a Git LFS pointer, not the file itself; run git lfs pull";
    }
    String text = new String(head, StandardCharsets.UTF_8).stripLeading();
    text = text.startsWith("\ufeff") ? text.substring(1).stripLeading() : text;
    String lower = text.toLowerCase(Locale.ROOT);
    if (lower.startsWith("<svg") || (lower.startsWith("<?xml") && lower.contains("svg"))) {
      return "an SVG drawing; render it to PNG first";
    }
    if (lower.startsWith("<!doctype html") || lower.startsWith("<html")) {
      return "a web page, perhaps an error page saved under a picture's name";
    }
    if (lower.startsWith("<?xml")
        || lower.startsWith("<!doctype svg")
        || lower.startsWith("<!--")) {
      return "an XML file; if it is an SVG drawing, render it to PNG first";
    }
    return "a file that begins with " + hex(head);
  }

  private static String ofBrand(String brand) {
    return switch (brand) {
      case "heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1" ->
          "a HEIC picture (\"" + brand + "\"); save it as JPEG or PNG first";
      case "avif", "avis" -> "an AVIF picture; save it as JPEG or PNG first";
      default ->
          "a media file of the brand \"" + printable(brand) + "\"; save a frame as PNG first";
    };
  }

  private static String printable(String text) {
    return text.replaceAll("[^ -~]", "?");
  }

  private static String hex(byte[] head) {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < Math.min(8, head.length); i++) {
      text.append(String.format(Locale.ROOT, i == 0 ? "%02x" : " %02x", head[i] & 0xff));
    }
    return text.toString();
  }

  private static boolean starts(byte[] head, int at, String signature) {
    if (head.length < at + signature.length()) {
      return false;
    }
    for (int i = 0; i < signature.length(); i++) {
      if ((head[at + i] & 0xff) != signature.charAt(i)) {
        return false;
      }
    }
    return true;
  }
}
