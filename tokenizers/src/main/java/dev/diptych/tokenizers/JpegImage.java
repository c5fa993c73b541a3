package dev.diptych.tokenizers;

import java.awt.image.DataBufferByte;
import java.awt.image.Raster;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * A JPEG picture (ITU-T T.81): baseline and progressive; gray, YCbCr, RGB, CMYK and YCCK.
 *
 * <p>The JDK's decoder gets the tables and scans alone and gives the components as stored. Their
 * colour space is told as libjpeg does (jdapimin.c, default_decompress_parms), and converted with
 * libjpeg's integer tables (jdcolor.c), so that pixels come out as Pillow's. Of the segments that
 * it does not see, profiles and thumbnails are what the JDK's reader stumbles over in practice.
 */
final class JpegImage implements EncodedImage {
  private static final int SOI = 0xd8;
  private static final int EOI = 0xd9;
  private static final int SOS = 0xda;

  /** A block of 64 pixels takes a bit at least. */
  private static final long MAX_PIXELS_PER_BYTE = 8 * 64;

  private enum Colours {
    GRAY,
    RGB,
    YCBCR,
    CMYK,
    YCCK
  }

  private final byte[] data;
  private final RasterReader scans = new RasterReader();

  private int width;
  private int height;
  private int components;
  private String componentIds;
  private boolean jfif;
  private int adobeTransform = -1;
  private byte[] exif;

  private JpegImage(byte[] data) {
    this.data = data;
  }

  static JpegImage open(byte[] data) throws DamagedImageException {
    JpegImage image = new JpegImage(data);
    image.walk();
    return image;
  }

  /** Reads the segments up to the end of the first picture; a second one behind it is not ours. */
  private void walk() throws DamagedImageException {
    ByteBuffer bytes = ByteBuffer.wrap(data);
    scans.add(data, 0, 2);
    int at = 2;
    boolean pixels = false;
    while (true) {
      at = nextMarker(at);
      int marker = data[at + 1] & 0xff;
      if (marker == EOI) {
        if (!pixels) {
          throw new DamagedImageException(
              "a frame and a scan", "the end of the picture without them");
        }
        scans.add(data, at, 2);
        return;
      }
      if (marker == SOI || marker == 0x01 || isRestart(marker)) {
        at += 2;
        continue;
      }
      int length = at + 4 <= data.length ? bytes.getShort(at + 2) & 0xffff : -1;
      if (length < 2 || at + 2 + length > data.length) {
        throw cutOff();
      }
      int end = at + 2 + length;
      if (marker == SOS) {
        end = endOfScan(end);
        pixels = componentIds != null;
      }
      if (isFrame(marker)) {
        readFrame(marker, at + 4, length - 2);
      } else if (marker >= 0xe0) {
        readApplicationSegment(marker, at + 4, length - 2);
      }
      if (marker < 0xe0) {
        scans.add(data, at, end - at);
      }
      at = end;
    }
  }

  /**
   * Finds a marker at or behind a position: junk between segments is passed over, as by libjpeg.
   */
  private int nextMarker(int at) throws DamagedImageException {
    for (int i = at; i + 1 < data.length; i++) {
      int code = data[i + 1] & 0xff;
      if (data[i] == (byte) 0xff && code != 0 && code != 0xff) {
        return i;
      }
    }
    throw cutOff();
  }

  private int endOfScan(int at) throws DamagedImageException {
    int end = nextMarker(at);
    while (isRestart(data[end + 1] & 0xff)) {
      end = nextMarker(end + 2);
    }
    return end;
  }

  private static boolean isRestart(int marker) {
    return marker >= 0xd0 && marker <= 0xd7;
  }

  private static boolean isFrame(int marker) {
    return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
  }

  private DamagedImageException cutOff() {
    return new DamagedImageException(
        "segments up to the end-of-image marker",
        "the end of the file at byte " + data.length + "; is it cut off?");
  }

  private void readFrame(int marker, int at, int length) throws DamagedImageException {
    if (componentIds != null || marker > 0xc2) {
      throw new DamagedImageException(
          "one baseline or progressive frame",
          componentIds != null
              ? "two frames"
              : "a lossless, hierarchical or arithmetic-coded one (SOF" + (marker - 0xc0) + ")");
    }
    ByteBuffer frame = ByteBuffer.wrap(data, at, length).slice();
    int precision = frame.get(0);
    height = frame.getShort(1) & 0xffff;
    width = frame.getShort(3) & 0xffff;
    components = frame.get(5) & 0xff;
    if (precision != 8 || (components != 1 && components != 3 && components != 4)) {
      throw new DamagedImageException(
          "1, 3 or 4 components of 8 bits", components + " of " + precision + " bits");
    }
    StringBuilder ids = new StringBuilder();
    for (int i = 0; i < components; i++) {
      ids.append((char) (frame.get(6 + 3 * i) & 0xff));
    }
    componentIds = ids.toString();
  }

  private void readApplicationSegment(int marker, int at, int length) {
    String head = new String(data, at, Math.min(length, 5), StandardCharsets.ISO_8859_1);
    if (marker == 0xe0 && length >= 14 && head.equals("JFIF\0")) {
      jfif = true;
    } else if (marker == 0xee && length >= 12 && head.equals("Adobe")) {
      adobeTransform = data[at + 11] & 0xff;
    } else if (marker == 0xe1 && exif == null) {
      if (ExifOrientation.startsWithPreamble(data, at, length)) {
        exif = ExifOrientation.payload(data, at, length);
      }
    }
  }

  private Colours colours() {
    boolean adobe = adobeTransform >= 0;
    return switch (components) {
      case 1 -> Colours.GRAY;
      case 3 -> {
        boolean rgb = adobe ? adobeTransform == 0 : componentIds.equals("RGB");
        yield rgb && !jfif ? Colours.RGB : Colours.YCBCR;
      }
      default -> adobe && adobeTransform != 0 ? Colours.YCCK : Colours.CMYK;
    };
  }

  @Override
  public String format() {
    return "JPEG";
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
    return Pixels.opaque(decodeRgb());
  }

  private byte[] decodeRgb() throws IOException {
    if (data.length * MAX_PIXELS_PER_BYTE < (long) width * height) {
      throw new DamagedImageException(
          "pixel data for " + width + "x" + height + " pixels",
          data.length + " bytes, which can't hold them");
    }
    Raster raster = scans.readRasterWithJdk("jpeg");
    byte[] samples = ((DataBufferByte) raster.getDataBuffer()).getData();
    if (samples.length != (long) components * width * height) {
      throw new DamagedImageException(
          (long) components * width * height + " decoded samples", String.valueOf(samples.length));
    }
    switch (colours()) {
      case RGB -> {}
      case YCBCR -> fromYcc(samples, 3);
      case GRAY -> samples = fromGray(samples);
      case CMYK -> samples = fromInvertedCmyk(samples);
      case YCCK -> {
        fromYcc(samples, 4);
        samples = fromYcckColours(samples);
      }
    }
    return samples;
  }

  private static byte[] fromGray(byte[] gray) {
    byte[] rgb = new byte[Math.multiplyExact(3, gray.length)];
    for (int i = 0; i < rgb.length; i++) {
      rgb[i] = gray[i / 3];
    }
    return rgb;
  }

  /** Turns YCbCr into RGB in place, in 16-bit fixed point. */
  private static void fromYcc(byte[] samples, int step) {
    int half = 1 << 15;
    for (int i = 0; i < samples.length; i += step) {
      int luma = samples[i] & 0xff;
      int cb = (samples[i + 1] & 0xff) - 128;
      int cr = (samples[i + 2] & 0xff) - 128;
      // 1.40200, 0.34414, 0.71414 and 1.77200 of 65536, rounded
      samples[i] = clip(luma + ((91881 * cr + half) >> 16));
      samples[i + 1] = clip(luma + ((-22554 * cb - 46802 * cr + half) >> 16));
      samples[i + 2] = clip(luma + ((116130 * cb + half) >> 16));
    }
  }

  private static byte clip(int value) {
    return (byte) Math.max(0, Math.min(value, 255));
  }

  /** Files of four components hold ink the Adobe way, 255 for none; all writers we know do so. */
  private static byte[] fromInvertedCmyk(byte[] samples) {
    byte[] rgb = new byte[samples.length / 4 * 3];
    for (int from = 0, to = 0; from < samples.length; from += 4) {
      int key = samples[from + 3] & 0xff;
      for (int channel = 0; channel < 3; channel++) {
        int ink = 255 - (samples[from + channel] & 0xff);
        rgb[to++] = clip(key - timesOver255(ink, key));
      }
    }
    return rgb;
  }

  /** The first three samples of YCCK are, after the turn, the complements of the stored CMY. */
  private static byte[] fromYcckColours(byte[] samples) {
    for (int i = 0; i < samples.length; i += 4) {
      samples[i] = (byte) ~samples[i];
      samples[i + 1] = (byte) ~samples[i + 1];
      samples[i + 2] = (byte) ~samples[i + 2];
    }
    return fromInvertedCmyk(samples);
  }

  /** a x b / 255, rounded, without a division. */
  private static int timesOver255(int a, int b) {
    int product = a * b + 128;
    return ((product >> 8) + product) >> 8;
  }
}
