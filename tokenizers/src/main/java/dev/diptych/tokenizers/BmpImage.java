package dev.diptych.tokenizers;

import java.awt.image.Raster;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;

/** A Windows or OS/2 bitmap: 1 to 32 bits a pixel, bit fields, run lengths, either row order. */
final class BmpImage implements EncodedImage {
  private static final int OS2_HEADER = 12;
  private static final int V4_HEADER = 108;
  private static final int SRGB = 0x73524742;
  private static final int RLE8 = 1;
  private static final int RLE4 = 2;
  private static final int BIT_FIELDS = 3;

  private final byte[] data;
  private final long pixels;
  private final int headerSize;
  private final int width;
  private final int height;
  private final int bits;
  private final int compression;

  private BmpImage(byte[] data) {
    ByteBuffer bytes = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
    this.data = data;
    this.pixels = bytes.getInt(10) & 0xffffffffL;
    this.headerSize = bytes.getInt(14);
    boolean os2 = headerSize == OS2_HEADER;
    this.width = os2 ? bytes.getShort(18) & 0xffff : bytes.getInt(18);
    this.height = os2 ? bytes.getShort(20) & 0xffff : Math.abs(bytes.getInt(22));
    this.bits = bytes.getShort(os2 ? 24 : 28);
    this.compression = os2 ? 0 : bytes.getInt(30);
  }

  static BmpImage open(byte[] data) throws DamagedImageException {
    BmpImage image = new BmpImage(data);
    if (!List.of(1, 4, 8, 16, 24, 32).contains(image.bits)) {
      throw new DamagedImageException("1, 4, 8, 16, 24 or 32 bits a pixel", "" + image.bits);
    }
    if (image.compression < 0 || image.compression > BIT_FIELDS) {
      throw new DamagedImageException(
          "a compression of 0 to 3 (none, RLE8, RLE4, bit fields)", "" + image.compression);
    }
    return image;
  }

  @Override
  public String format() {
    return "BMP";
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
    return null;
  }

  @Override
  public Pixels decode() throws IOException {
    boolean runs = compression == RLE8 || compression == RLE4;
    long least = ((long) width * bits + 31) / 32 * 4 * height;
    long present = Math.max(0, data.length - pixels);
    if (!runs && present < least) {
      throw new DamagedImageException(
          least + " bytes of pixels", present + " bytes; is the file cut off?");
    }
    byte[] file = data;
    if (headerSize >= V4_HEADER) {
      // An embedded profile would be applied by the JDK's reader, and one that is damaged refused.
      file = data.clone();
      ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).putInt(14 + 56, SRGB);
    }
    return Pixels.opaque(toRgb(new RasterReader().add(file).readWithJdk("bmp").getRaster()));
  }

  /** Converts samples as stored: the JDK would turn gray palettes into linear gray. */
  private byte[] toRgb(Raster raster) {
    int bands = raster.getNumBands();
    int[] sizes = raster.getSampleModel().getSampleSize();
    int[] row = new int[width * bands];
    byte[] colours = bands == 1 ? palette() : null;
    byte[] rgb = new byte[Math.multiplyExact(3, Math.multiplyExact(width, height))];
    int at = 0;
    for (int y = 0; y < height; y++) {
      raster.getPixels(0, y, width, 1, row);
      for (int x = 0; x < width; x++) {
        for (int channel = 0; channel < 3; channel++) {
          int sample = row[x * bands + (bands == 1 ? 0 : channel)];
          // Fewer bits are stretched to 0 to 255, rounded down as in Pillow.
          rgb[at++] =
              bands == 1
                  ? colours[3 * sample + channel]
                  : (byte) (sample * 255 / ((1 << sizes[channel]) - 1));
        }
      }
    }
    return rgb;
  }

  /** {@return 256 colours, red first; those beyond the file's are black} */
  private byte[] palette() {
    int step = headerSize == OS2_HEADER ? 3 : 4;
    int start = 14 + headerSize;
    int end = (int) Math.min(data.length, pixels);
    byte[] colours = new byte[3 * 256];
    for (int i = 0; i < 256 && start + (i + 1) * step <= end; i++) {
      for (int channel = 0; channel < 3; channel++) {
        colours[3 * i + channel] = data[start + i * step + 2 - channel];
      }
    }
    return colours;
  }
}
