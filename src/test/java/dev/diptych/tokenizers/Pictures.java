package dev.diptych.tokenizers;

import dev.diptych.core.Image;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import javax.imageio.ImageIO;

/** The picture goldens; expected pixels are decoded by ImageIO, not by the code under test. */
final class Pictures {
  static final Path FOLDER =
      Path.of(System.getProperty("diptych.root"), "src/test/resources/golden/image");

  private Pictures() {}

  static Image photograph(String name) {
    return expected(FOLDER.resolve("photographs/" + name + ".png"));
  }

  static Image expected(Path png) {
    try {
      return Image.of(ImageIO.read(png.toFile()));
    } catch (IOException e) {
      throw new UncheckedIOException(png.toString(), e);
    }
  }

  static Image expected(InputStream png) throws IOException {
    return Image.of(ImageIO.read(png));
  }

  /**
   * The samples that differ, as "3 of 900 samples differ, at most by 2, first at (4, 5) red: …".
   */
  static String difference(Image expected, Image found) {
    if (expected.width() != found.width() || expected.height() != found.height()) {
      return "sizes: expected " + expected + ", found " + found;
    }
    byte[] a = expected.rgb();
    byte[] b = found.rgb();
    int count = 0;
    int most = 0;
    String first = "";
    for (int i = 0; i < a.length; i++) {
      int distance = Math.abs((a[i] & 0xff) - (b[i] & 0xff));
      if (distance > 0 && count++ == 0) {
        int pixel = i / 3;
        first =
            " first at (%d, %d) channel %d: expected %d, found %d"
                .formatted(
                    pixel % expected.width(),
                    pixel / expected.width(),
                    i % 3,
                    a[i] & 0xff,
                    b[i] & 0xff);
      }
      most = Math.max(most, distance);
    }
    return count == 0
        ? ""
        : count + " of " + a.length + " samples differ, at most by " + most + first;
  }
}
