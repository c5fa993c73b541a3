package dev.diptych.tokenizers;

import java.awt.image.Raster;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The first frame of a GIF picture, on its canvas; what it leaves free is transparent or colour 0.
 */
final class GifImage implements EncodedImage {
  private static final int IMAGE = 0x2c;
  private static final int EXTENSION = 0x21;
  private static final int GRAPHIC_CONTROL = 0xf9;

  /** A code of 12 bits stands for at most 4,096 pixels. */
  private static final long MAX_PIXELS_PER_BYTE = 4096 * 8 / 12 + 1;

  private final byte[] data;
  private final ByteBuffer bytes;
  private int width;
  private int height;
  private int palette = -1;
  private int paletteSize;
  private int transparent;
  private boolean hasTransparent;
  private int screenEnd;
  private int frame;
  private int frameEnd;

  private GifImage(byte[] data) {
    this.data = data;
    this.bytes = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
  }

  static GifImage open(byte[] data) throws DamagedImageException {
    GifImage image = new GifImage(data);
    image.walk();
    return image;
  }

  private void walk() throws DamagedImageException {
    width = uint16(6);
    height = uint16(8);
    screenEnd = 13;
    readPalette(10, 13);
    screenEnd += 3 * paletteSize;
    int at = screenEnd;
    while (at < data.length && data[at] == EXTENSION) {
      if (at + 6 < data.length && (data[at + 1] & 0xff) == GRAPHIC_CONTROL && data[at + 2] == 4) {
        hasTransparent = (data[at + 3] & 1) != 0;
        transparent = hasTransparent ? data[at + 6] & 0xff : 0;
      }
      at = endOfBlocks(at + 2);
    }
    if (at + 10 >= data.length || data[at] != IMAGE) {
      throw new DamagedImageException("a frame", "none up to byte " + Math.min(at, data.length));
    }
    frame = at;
    readPalette(at + 9, at + 10);
    int local = (data[at + 9] & 0x80) != 0 ? 3 * paletteSize : 0;
    frameEnd = endOfBlocks(at + 10 + local + 1);
    // Frames that leave the canvas widen it, as in Pillow.
    width = Math.max(width, uint16(frame + 1) + uint16(frame + 5));
    height = Math.max(height, uint16(frame + 3) + uint16(frame + 7));
  }

  private void readPalette(int flags, int at) {
    if ((data[flags] & 0x80) != 0) {
      palette = at;
      paletteSize = 2 << (data[flags] & 7);
    }
  }

  private int endOfBlocks(int start) throws DamagedImageException {
    int at = start;
    while (at < data.length && data[at] != 0) {
      at += 1 + (data[at] & 0xff);
    }
    if (at >= data.length) {
      throw new DamagedImageException(
          "data blocks up to an empty one",
          "the end of the file at byte " + data.length + "; is it cut off?");
    }
    return at + 1;
  }

  private int uint16(int at) {
    return bytes.getShort(at) & 0xffff;
  }

  @Override
  public String format() {
    return "GIF";
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
    int frameWidth = uint16(frame + 5);
    int frameHeight = uint16(frame + 7);
    long most = (long) (frameEnd - frame) * MAX_PIXELS_PER_BYTE;
    if (frameWidth < 1 || frameHeight < 1 || (long) frameWidth * frameHeight > most) {
      throw new DamagedImageException(
          "a frame of 1 to " + most + " pixels in " + (frameEnd - frame) + " bytes",
          frameWidth + "x" + frameHeight);
    }
    Raster raster =
        new RasterReader()
            .add(data, 0, screenEnd)
            .add(data, frame, frameEnd - frame)
            .add(new byte[] {0x3b})
            .readWithJdk("gif")
            .getRaster();
    byte[] colours = colours();
    byte[] rgb = new byte[Math.multiplyExact(3, Math.multiplyExact(width, height))];
    for (int at = 0; at < rgb.length; at += 3) {
      System.arraycopy(colours, 3 * transparent, rgb, at, 3);
    }
    byte[] alpha = hasTransparent ? new byte[width * height] : null;
    int[] row = new int[frameWidth];
    for (int y = 0; y < frameHeight; y++) {
      raster.getPixels(0, y, frameWidth, 1, row);
      int at = 3 * ((uint16(frame + 3) + y) * width + uint16(frame + 1));
      for (int x = 0; x < frameWidth; x++, at += 3) {
        System.arraycopy(colours, 3 * row[x], rgb, at, 3);
        if (alpha != null && row[x] != transparent) {
          alpha[at / 3] = (byte) 255;
        }
      }
    }
    return new Pixels(rgb, alpha);
  }

  /** {@return 256 colours, gray ones where the file has no palette at all} */
  private byte[] colours() {
    byte[] colours = new byte[3 * 256];
    if (palette >= 0) {
      System.arraycopy(data, palette, colours, 0, 3 * paletteSize);
    } else {
      for (int i = 0; i < colours.length; i++) {
        colours[i] = (byte) (i / 3);
      }
    }
    return colours;
  }
}
