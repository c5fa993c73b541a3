package dev.diptych.tokenizers;

import dev.diptych.core.DiptychException;
import dev.diptych.core.Image;
import dev.diptych.core.InvalidImageException;
import dev.diptych.core.ResourceLimitException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.BufferUnderflowException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.Map;
import java.util.Objects;

/**
 * Reads pictures from PNG, JPEG, WebP, GIF (first frame) and BMP, and writes PNG.
 *
 * <p>The format is told by the first bytes, never by the name. The size in the header is checked
 * before memory for the pixels is taken. Pixels come out as from Pillow's {@code
 * ImageOps.exif_transpose(image).convert("RGB")}, which the references use: turned upright by EXIF,
 * alpha kept aside rather than blended, colour profiles not applied, CMYK converted without one.
 * The one wilful deviation is 16-bit gray, whose upper byte is kept where Pillow clips at 255.
 */
public final class ImageFile {
  /**
   * Pixels accepted when the caller sets no limit: Pillow's own bound against decompression bombs.
   */
  public static final long DEFAULT_MAX_PIXELS = 178_956_970;

  /** Bytes a file may have: a raw picture of the default limit at three bytes a pixel. */
  private static final long MAX_FILE_BYTES = 3 * DEFAULT_MAX_PIXELS + (1 << 20);

  /** Heap that decoding takes for a pixel: the decoder's raster and ours. */
  private static final long DECODING_BYTES = 6;

  private ImageFile() {}

  /**
   * Reads a picture of at most {@link #DEFAULT_MAX_PIXELS} pixels.
   *
   * @see #read(Path, long)
   */
  public static Image read(Path file) {
    return read(file, DEFAULT_MAX_PIXELS);
  }

  /**
   * Reads a picture. The file is closed before the decoding starts.
   *
   * @param file a regular file; its name does not matter
   * @param maxPixels width x height allowed, at least 1
   * @throws InvalidImageException if the file is missing, of no format that is read, or damaged
   * @throws ResourceLimitException if it has more pixels than allowed, or than memory can hold
   */
  public static Image read(Path file, long maxPixels) {
    return decode(readAll(file), file.toString(), maxPixels);
  }

  /**
   * Reads a picture of at most {@link #DEFAULT_MAX_PIXELS} pixels.
   *
   * @see #read(byte[], long)
   */
  public static Image read(byte[] data) {
    return read(data, DEFAULT_MAX_PIXELS);
  }

  /**
   * Reads a picture from the bytes of a file.
   *
   * @param data a whole file of one of the formats
   * @param maxPixels width x height allowed, at least 1
   * @throws InvalidImageException if the bytes are of no format that is read, or damaged
   * @throws ResourceLimitException if it has more pixels than allowed, or than memory can hold
   */
  public static Image read(byte[] data, long maxPixels) {
    Objects.requireNonNull(data, "data");
    return decode(data, data.length + " bytes", maxPixels);
  }

  /**
   * Writes a picture as PNG. A reader never sees half a file: the bytes go to a temporary name in
   * the same folder, which is then renamed over the target.
   *
   * @param image the picture
   * @param file the target; its folder must exist
   * @param text keywords (1 to 79 Latin-1 characters) and texts to store with it, may be empty
   * @throws UncheckedIOException if the folder cannot be written to; the target is then untouched
   */
  public static void writePng(Image image, Path file, Map<String, String> text) {
    byte[] png = toPng(image, text);
    Path target = file.toAbsolutePath();
    try {
      // Not createTempFile: its files can be read by their owner alone, and this one is to stay.
      String unique = Long.toHexString(new SecureRandom().nextLong());
      Path temporary = target.resolveSibling("." + target.getFileName() + "." + unique + ".tmp");
      try {
        Files.write(temporary, png, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
        move(temporary, target);
      } finally {
        Files.deleteIfExists(temporary);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(
          "Cannot write " + file + "\n  expected a folder that can be written to\n  found    " + e,
          e);
    }
  }

  private static void move(Path from, Path to) throws IOException {
    try {
      Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
    } catch (AtomicMoveNotSupportedException e) {
      Files.move(from, to, StandardCopyOption.REPLACE_EXISTING);
    }
  }

  /**
   * Encodes a picture as PNG: 8-bit RGB. Equal pictures and texts give equal bytes.
   *
   * @param image the picture
   * @param text keywords (1 to 79 Latin-1 characters) and texts to store with it, may be empty
   * @return the bytes of a file
   */
  public static byte[] toPng(Image image, Map<String, String> text) {
    return PngWriter.encode(
        Objects.requireNonNull(image, "image"), Objects.requireNonNull(text, "text"));
  }

  /**
   * Reads the texts that are stored in a PNG file, without decoding its pixels.
   *
   * @return keywords and texts in file order, empty if there are none
   * @throws InvalidImageException if the file is missing, no PNG, or damaged
   */
  public static Map<String, String> readPngText(Path file) {
    byte[] data = readAll(file);
    try {
      if (ImageFormat.of(head(data)) != ImageFormat.PNG) {
        throw new DamagedImageException("a PNG picture", "another format");
      }
      return PngText.read(data);
    } catch (IOException | RuntimeException e) {
      throw invalid(file.toString(), "PNG text", e);
    }
  }

  private static byte[] readAll(Path file) {
    try {
      if (!Files.isRegularFile(file)) {
        throw Files.exists(file)
            ? new DamagedImageException("a regular file", "a folder or a device")
            : new DamagedImageException("an existing file", "none at " + file.toAbsolutePath());
      }
      long size = Files.size(file);
      checkSize(file.toString(), "picture", "bytes", size, MAX_FILE_BYTES);
      try (InputStream stream = Files.newInputStream(file)) {
        byte[] head = stream.readNBytes(ImageFormat.SIGNATURE_BYTES);
        ImageFormat.of(head);
        byte[] data = Arrays.copyOf(head, Math.max(head.length, (int) size));
        int read = head.length + stream.readNBytes(data, head.length, data.length - head.length);
        return read == data.length ? data : Arrays.copyOf(data, read);
      }
    } catch (IOException e) {
      throw invalid(file.toString(), "picture", e);
    }
  }

  private static Image decode(byte[] data, String source, long maxPixels) {
    String what = "picture";
    long bytes = 0;
    try {
      EncodedImage encoded = ImageFormat.of(head(data)).open(data);
      what = encoded.format() + " picture";
      int width = encoded.width();
      int height = encoded.height();
      if (width < 1 || height < 1) {
        throw new DamagedImageException("sides of at least 1 pixel", width + "x" + height);
      }
      what += " of " + width + "x" + height + " pixels";
      long pixels = (long) width * height;
      bytes = pixels * DECODING_BYTES;
      checkSize(source, what, "pixels", pixels, Math.min(maxPixels, Integer.MAX_VALUE / 3));
      checkSize(source, what, "bytes of Java heap", bytes, Runtime.getRuntime().maxMemory());
      EncodedImage.Pixels stored = encoded.decode();
      int orientation = ExifOrientation.of(encoded.exif());
      byte[] rgb = ExifOrientation.upright(stored.rgb(), width, height, orientation);
      boolean swapped = ExifOrientation.swapsSides(orientation);
      Image image = Image.of(swapped ? height : width, swapped ? width : height, rgb);
      return stored.alpha() == null
          ? image
          : image.withAlpha(
              ExifOrientation.upright(stored.alpha(), width, height, orientation));
    } catch (DiptychException e) {
      throw e;
    } catch (IOException | RuntimeException e) {
      throw invalid(source, what, e);
    } catch (OutOfMemoryError e) {
      // Only the pixels' arrays are large here, and they are garbage already.
      Runtime runtime = Runtime.getRuntime();
      long free = runtime.maxMemory() - runtime.totalMemory() + runtime.freeMemory();
      throw tooLarge(source, what, "bytes of free Java heap", bytes, Math.min(free, bytes - 1));
    }
  }

  private static byte[] head(byte[] data) {
    return Arrays.copyOf(data, Math.min(data.length, ImageFormat.SIGNATURE_BYTES));
  }

  private static void checkSize(String source, String what, String unit, long asked, long allowed) {
    if (asked > allowed) {
      throw tooLarge(source, what, unit, asked, allowed);
    }
  }

  private static ResourceLimitException tooLarge(
      String source, String what, String unit, long asked, long allowed) {
    return new ResourceLimitException(
        "Cannot read the "
            + what
            + " "
            + source
            + "\n  expected at most "
            + allowed
            + " "
            + unit
            + "\n  found    "
            + asked
            + "\n  Make the picture smaller, or allow more.",
        asked,
        allowed);
  }

  private static InvalidImageException invalid(String source, String what, Exception cause) {
    String expected =
        cause instanceof DamagedImageException damaged ? damaged.expected() : "a whole file";
    String found =
        cause.getMessage() == null ? cause.getClass().getSimpleName() : cause.getMessage();
    if (cause instanceof IndexOutOfBoundsException || cause instanceof BufferUnderflowException) {
      found = "a file that ends inside a header";
    }
    return new InvalidImageException(
        "Cannot read the "
            + what
            + " "
            + source
            + "\n  expected "
            + expected
            + "\n  found    "
            + found,
        cause);
  }
}
