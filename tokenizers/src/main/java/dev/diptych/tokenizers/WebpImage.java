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
 * predicted from them and is up to 36 levels off. The alpha plane of a lossy picture is not
 * decoded.
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
  public byte[] decode() throws IOException {
    byte[] frame = decodeFrame();
    if (frameWidth == width && frameHeight == height) {
      return frame;
    }
    byte[] rgb = new byte[Math.multiplyExact(3, Math.multiplyExact(width, height))];
    for (int y = 0; y < frameHeight; y++) {
      int to = 3 * ((frameY + y) * width + frameX);
      System.arraycopy(frame, 3 * frameWidth * y, rgb, to, 3 * frameWidth);
    }
    return rgb;
  }

  private byte[] decodeFrame() throws IOException {
    int start = bitstream + 8;
    int length = bytes.getInt(bitstream + 4);
    if (lossy) {
      return Vp8Frame.decode(data, start, start + length, frameWidth, frameHeight);
    }
    int padded = 8 + length + (length & 1);
    ByteBuffer riff = ByteBuffer.allocate(12).order(ByteOrder.LITTLE_ENDIAN);
    riff.put("RIFF".getBytes(StandardCharsets.ISO_8859_1)).putInt(4 + padded);
    riff.put("WEBP".getBytes(StandardCharsets.ISO_8859_1));
    Raster raster =
        new RasterReader()
            .add(riff.array())
            .add(data, bitstream, 8 + length)
            .add(new byte[length & 1])
            .readWith(new WebPImageReaderSpi())
            .getRaster();
    byte[] rgb = new byte[Math.multiplyExact(3, Math.multiplyExact(frameWidth, frameHeight))];
    int bands = raster.getNumBands();
    int[] row = new int[frameWidth * bands];
    int at = 0;
    for (int y = 0; y < frameHeight; y++) {
      raster.getPixels(0, y, frameWidth, 1, row);
      for (int x = 0; x < frameWidth; x++) {
        for (int channel = 0; channel < 3; channel++) {
          rgb[at++] = (byte) row[x * bands + channel];
        }
      }
    }
    return rgb;
  }
}
