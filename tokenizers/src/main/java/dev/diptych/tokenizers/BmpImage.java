package dev.diptych.tokenizers;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** A Windows or OS/2 bitmap: 1 to 32 bits a pixel, bit fields, run lengths, either row order. */
final class BmpImage implements EncodedImage {
  private static final int OS2_HEADER = 12;
  private static final int V4_HEADER = 108;
  private static final int SRGB = 0x73524742;
  private static final int RLE8 = 1;
  private static final int RLE4 = 2;
  private static final int BIT_FIELDS = 3;

  private final byte[] data;
  private final int headerSize;
  private final int width;
  private final int height;
  private final int bits;
  private final int compression;

  private BmpImage(byte[] data) {
    ByteBuffer bytes = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
    this.data = data;
    this.headerSize = bytes.getInt(14);
    boolean os2 = headerSize == OS2_HEADER;
    this.width = os2 ? bytes.getShort(18) & 0xffff : bytes.getInt(18);
    this.height = os2 ? bytes.getShort(20) & 0xffff : Math.abs(bytes.getInt(22));
    this.bits = bytes.getShort(os2 ? 24 : 28);
    this.compression = os2 ? 0 : bytes.getInt(30);
  }

  static BmpImage open(byte[] data) throws DamagedImageException {
    BmpImage image = new BmpImage(data);
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
  public byte[] decode() throws IOException {
    boolean runs = compression == RLE8 || compression == RLE4;
    long least = ((long) width * bits + 31) / 32 * 4 * height;
    if (!runs && data.length < least) {
      throw new DamagedImageException(
          least + " bytes of pixels", data.length + " bytes in all; is it cut off?");
    }
    byte[] file = data;
    if (headerSize >= V4_HEADER) {
      // An embedded profile would be applied by the JDK's reader, and one that is damaged refused.
      file = data.clone();
      ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).putInt(14 + 56, SRGB);
    }
    BufferedImage decoded = new RasterReader().add(file).readWithJdk("bmp");
    int[] row = new int[width];
    byte[] rgb = new byte[Math.multiplyExact(3, Math.multiplyExact(width, height))];
    int at = 0;
    for (int y = 0; y < height; y++) {
      decoded.getRGB(0, y, width, 1, row, 0, width);
      for (int pixel : row) {
        rgb[at++] = (byte) (pixel >> 16);
        rgb[at++] = (byte) (pixel >> 8);
        rgb[at++] = (byte) pixel;
      }
    }
    return rgb;
  }
}
