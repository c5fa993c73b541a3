package dev.diptych.tokenizers;

import java.awt.image.Raster;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32;

/** A PNG picture (ISO/IEC 15948): every colour type, bit depth and interlacing. */
final class PngImage implements EncodedImage {
  static final byte[] SIGNATURE = {(byte) 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

  /** No deflate stream grows by more than this factor (zlib's technical notes). */
  private static final long MAX_DEFLATE_RATIO = 1032;

  private static final int GRAY = 0;
  private static final int RGB = 2;
  private static final int PALETTE = 3;

  /** A chunk; {@code offset} is where its data begins. */
  record Chunk(String type, int offset, int length) {
    boolean critical() {
      return (type.charAt(0) & 0x20) == 0;
    }
  }

  private final byte[] data;
  private final List<Chunk> chunks;
  private final int width;
  private final int height;
  private final int bitDepth;
  private final int colourType;

  private PngImage(byte[] data, List<Chunk> chunks) throws DamagedImageException {
    this.data = data;
    this.chunks = chunks;
    ByteBuffer header = ByteBuffer.wrap(data, chunks.get(0).offset(), 13);
    this.width = header.getInt();
    this.height = header.getInt();
    this.bitDepth = header.get();
    this.colourType = header.get();
    boolean known = List.of(0, 2, 3, 4, 6).contains(colourType);
    if (!known || !List.of(1, 2, 4, 8, 16).contains(bitDepth)) {
      throw new DamagedImageException(
          "a colour type of 0, 2, 3, 4 or 6 and a bit depth of 1, 2, 4, 8 or 16",
          "colour type " + colourType + " and bit depth " + bitDepth);
    }
  }

  static PngImage open(byte[] data) throws DamagedImageException {
    List<Chunk> chunks = chunks(data);
    if (!chunks.get(0).type().equals("IHDR") || chunks.get(0).length() != 13) {
      throw new DamagedImageException("an IHDR chunk of 13 bytes first", chunks.get(0).toString());
    }
    return new PngImage(data, chunks);
  }

  /**
   * Walks the chunks up to IEND and checks the sums of those that hold pixels.
   *
   * @param data a file that begins with the signature
   */
  static List<Chunk> chunks(byte[] data) throws DamagedImageException {
    ByteBuffer bytes = ByteBuffer.wrap(data);
    List<Chunk> chunks = new ArrayList<>();
    int at = SIGNATURE.length;
    while (data.length - at >= 12) {
      int length = bytes.getInt(at);
      String type = new String(data, at + 4, 4, StandardCharsets.ISO_8859_1);
      if (length < 0 || length > data.length - at - 12) {
        break;
      }
      Chunk chunk = new Chunk(type, at + 8, length);
      if (chunk.critical()) {
        CRC32 crc = new CRC32();
        crc.update(data, at + 4, length + 4);
        if ((int) crc.getValue() != bytes.getInt(at + 8 + length)) {
          throw new DamagedImageException(
              "the checksum of the chunk " + type + " at byte " + at + " to be right",
              "a wrong one");
        }
      }
      chunks.add(chunk);
      if (type.equals("IEND")) {
        return chunks;
      }
      at += 12 + length;
    }
    throw new DamagedImageException(
        "chunks up to IEND", "the end of the file at byte " + data.length + "; is it cut off?");
  }

  @Override
  public String format() {
    return "PNG";
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
    for (Chunk chunk : chunks) {
      if (chunk.type().equals("eXIf")) {
        return ExifOrientation.payload(data, chunk.offset(), chunk.length());
      }
    }
    return null;
  }

  @Override
  public Pixels decode() throws IOException {
    RasterReader reader = new RasterReader().add(SIGNATURE);
    byte[] palette = new byte[3 * 256];
    long deflated = 0;
    for (Chunk chunk : chunks) {
      if (chunk.critical()) {
        reader.add(data, chunk.offset() - 8, chunk.length() + 12);
      }
      if (chunk.type().equals("PLTE")) {
        System.arraycopy(data, chunk.offset(), palette, 0, Math.min(chunk.length(), 3 * 256));
      } else if (chunk.type().equals("IDAT")) {
        deflated += chunk.length();
      }
    }
    long least = (long) width * height * samples() * bitDepth / 8;
    if (deflated * MAX_DEFLATE_RATIO < least) {
      throw new DamagedImageException(
          "pixel data for " + width + "x" + height + " pixels",
          deflated + " compressed bytes, which can't hold them");
    }
    Raster raster = reader.readWithJdk("png").getRaster();
    return new Pixels(toRgb(raster, palette), alpha(raster));
  }

  private int samples() {
    return switch (colourType) {
      case GRAY, PALETTE -> 1;
      case 4 -> 2;
      case RGB -> 3;
      default -> 4;
    };
  }

  private byte[] toRgb(Raster raster, byte[] palette) {
    int bands = raster.getNumBands();
    if (colourType == RGB && bitDepth == 8) {
      return (byte[]) raster.getDataElements(0, 0, width, height, null);
    }
    int[] row = new int[width * bands];
    byte[] rgb = new byte[Math.multiplyExact(3, Math.multiplyExact(width, height))];
    int at = 0;
    for (int y = 0; y < height; y++) {
      raster.getPixels(0, y, width, 1, row);
      for (int x = 0; x < width; x++) {
        int sample = x * bands;
        if (colourType == PALETTE) {
          System.arraycopy(palette, 3 * row[sample], rgb, at, 3);
          at += 3;
        } else {
          int step = bands >= 3 ? 1 : 0;
          for (int channel = 0; channel < 3; channel++) {
            rgb[at++] = toByte(row[sample + step * channel]);
          }
        }
      }
    }
    return rgb;
  }

  /** {@return the last band, or what the chunk tRNS says of colours; null if nothing does} */
  private byte[] alpha(Raster raster) {
    boolean band = colourType == 4 || colourType == 6;
    Chunk keys = chunks.stream().filter(c -> c.type().equals("tRNS")).findFirst().orElse(null);
    int keyed = colourType == PALETTE ? 0 : 2 * samples();
    if (!band && (keys == null || keys.length() < keyed)) {
      return null;
    }
    int bands = raster.getNumBands();
    int[] row = new int[width * bands];
    byte[] alpha = new byte[Math.multiplyExact(width, height)];
    int at = 0;
    for (int y = 0; y < height; y++) {
      raster.getPixels(0, y, width, 1, row);
      for (int x = 0; x < width; x++) {
        int sample = x * bands;
        alpha[at++] = band ? toByte(row[sample + bands - 1]) : opacity(row, sample, keys);
      }
    }
    return alpha;
  }

  /** A palette has an opacity for each of its first colours; else one colour is transparent. */
  private byte opacity(int[] row, int sample, Chunk keys) {
    if (colourType == PALETTE) {
      return row[sample] < keys.length() ? data[keys.offset() + row[sample]] : (byte) 255;
    }
    for (int i = 0; i < samples(); i++) {
      int at = keys.offset() + 2 * i;
      if (row[sample + i] != ((data[at] & 0xff) << 8 | data[at + 1] & 0xff)) {
        return (byte) 255;
      }
    }
    return 0;
  }

  /** Sixteen bits lose the lower eight; fewer than eight are stretched to 0 to 255. */
  private byte toByte(int sample) {
    return (byte) (bitDepth == 16 ? sample >> 8 : sample * 255 / ((1 << bitDepth) - 1));
  }
}
