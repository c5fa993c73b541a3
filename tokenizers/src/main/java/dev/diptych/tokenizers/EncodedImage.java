package dev.diptych.tokenizers;

import java.io.IOException;

/**
 * A picture in a file format, its header read and its pixels not yet.
 *
 * <p>Every format keeps only the parts of the file that hold pixels and hands those alone to the
 * decoder: profiles, comments, thumbnails and whatever else a file carries cannot harm a decoder
 * that never sees them.
 */
interface EncodedImage {

  /** {@return the format's name, as in a message} */
  String format();

  /** {@return columns as stored, before EXIF orientation} */
  int width();

  /** {@return rows as stored, before EXIF orientation} */
  int height();

  /** {@return the TIFF block that holds EXIF, or null} */
  byte[] exif();

  /**
   * What a decoder gives.
   *
   * @param rgb [height, width, 3] bytes, red first; not blended with anything
   * @param alpha [height, width] bytes, 255 opaque, or null where the format says nothing
   */
  record Pixels(byte[] rgb, byte[] alpha) {
    static Pixels opaque(byte[] rgb) {
      return new Pixels(rgb, null);
    }
  }

  /**
   * Decodes. Profiles are ignored; colours are those of Pillow's {@code convert("RGB")}, opacity
   * that of its {@code convert("RGBA")}.
   */
  Pixels decode() throws IOException;
}
