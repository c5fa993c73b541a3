package dev.diptych.tokenizers;

import com.drew.lang.ByteArrayReader;
import com.drew.metadata.Metadata;
import com.drew.metadata.exif.ExifIFD0Directory;
import com.drew.metadata.exif.ExifReader;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** How a camera was held, and turning the picture upright. */
final class ExifOrientation {
  private static final int MAX_BYTES = 1 << 20;
  private static final String PREAMBLE = "Exif\0\0";

  private ExifOrientation() {}

  /**
   * Cuts the TIFF block out of a chunk or segment, with or without the preamble of JPEG.
   *
   * @return null if the block is larger than any camera's
   */
  static byte[] payload(byte[] data, int offset, int length) {
    if (length > MAX_BYTES) {
      return null;
    }
    int start = startsWithPreamble(data, offset, length) ? offset + PREAMBLE.length() : offset;
    return Arrays.copyOfRange(data, start, offset + length);
  }

  static boolean startsWithPreamble(byte[] data, int offset, int length) {
    return length >= PREAMBLE.length()
        && new String(data, offset, PREAMBLE.length(), StandardCharsets.ISO_8859_1)
            .equals(PREAMBLE);
  }

  /**
   * Reads the orientation.
   *
   * @param tiff the TIFF block, or null
   * @return 1 to 8; 1 (upright) if there is none or the block is damaged, for the pixels are whole
   */
  static int of(byte[] tiff) {
    if (tiff == null) {
      return 1;
    }
    Integer value = null;
    try {
      Metadata metadata = new Metadata();
      new ExifReader().extract(new ByteArrayReader(tiff), metadata);
      ExifIFD0Directory directory = metadata.getFirstDirectoryOfType(ExifIFD0Directory.class);
      value = directory == null ? null : directory.getInteger(ExifIFD0Directory.TAG_ORIENTATION);
    } catch (RuntimeException damaged) {
      // The picture itself can still be read; Pillow goes on, too.
    }
    return value == null || value < 1 || value > 8 ? 1 : value;
  }

  /** {@return whether an orientation exchanges columns and rows} */
  static boolean swapsSides(int orientation) {
    return orientation >= 5;
  }

  /**
   * Turns pixels upright.
   *
   * @param samples [height, width, channels] as stored
   * @param orientation 1 to 8
   * @return [height, width, channels] upright, with the sides exchanged from 5 on
   */
  static byte[] upright(byte[] samples, int width, int height, int orientation) {
    if (orientation == 1) {
      return samples;
    }
    int channels = samples.length / (width * height);
    int columns = swapsSides(orientation) ? height : width;
    int rows = swapsSides(orientation) ? width : height;
    byte[] turned = new byte[samples.length];
    int at = 0;
    for (int y = 0; y < rows; y++) {
      for (int x = 0; x < columns; x++) {
        int fromX =
            switch (orientation) {
              case 2, 3 -> width - 1 - x;
              case 4 -> x;
              case 5, 6 -> y;
              default -> width - 1 - y;
            };
        int fromY =
            switch (orientation) {
              case 2 -> y;
              case 3, 4 -> height - 1 - y;
              case 5, 8 -> x;
              default -> height - 1 - x;
            };
        int from = channels * (fromY * width + fromX);
        for (int channel = 0; channel < channels; channel++) {
          turned[at++] = samples[from + channel];
        }
      }
    }
    return turned;
  }
}
