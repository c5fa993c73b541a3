package dev.diptych.tokenizers;

import static org.assertj.core.api.Assertions.assertThat;

import dev.diptych.core.Image;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * Files of every format against Pillow. Lossy ones are held to equality, too: our VP8 is libwebp's
 * to the bit, and the JDK's libjpeg (6b, or libjpeg-turbo in some distributions) computes what
 * Pillow's libjpeg-turbo does for every subsampling in the goldens.
 */
class ImageFileGoldenTest {
  private static final Path FORMATS = Pictures.FOLDER.resolve("formats");

  @Test
  void equalsPillowInEveryPixelOfEveryFormat() throws Exception {
    List<String> differences = new ArrayList<>();
    Set<String> suffixes = new HashSet<>();
    List<Path> files = files();
    for (Path file : files) {
      String name = file.getFileName().toString();
      int dot = name.lastIndexOf('.');
      suffixes.add(name.substring(dot));
      Path expected = FORMATS.resolve(name.substring(0, dot) + ".expected.png");
      String difference = Pictures.difference(Pictures.expected(expected), ImageFile.read(file));
      if (!difference.isEmpty()) {
        differences.add(name + ": " + difference);
      }
    }

    assertThat(differences).isEmpty();
    assertThat(files).hasSizeGreaterThan(75);
    assertThat(suffixes).containsExactlyInAnyOrder(".png", ".jpg", ".webp", ".gif", ".bmp");
  }

  static List<Path> files() throws Exception {
    try (Stream<Path> all = Files.list(FORMATS)) {
      return all.filter(file -> !file.toString().endsWith(".expected.png")).sorted().toList();
    }
  }

  @Test
  void turnsEveryOrientationUpright() {
    Image upright = ImageFile.read(FORMATS.resolve("jpeg_exif1.jpg"));

    for (int orientation = 2; orientation <= 8; orientation++) {
      Image turned = ImageFile.read(FORMATS.resolve("jpeg_exif" + orientation + ".jpg"));
      boolean swapped = orientation >= 5;
      assertThat(turned.width()).isEqualTo(swapped ? upright.height() : upright.width());
      assertThat(turned).as("orientation %d", orientation).isNotEqualTo(upright);
    }
  }

  @Test
  void readsTheSameFromBytesAndUnderAnyName() throws Exception {
    for (Path file : files()) {
      byte[] data = Files.readAllBytes(file);
      assertThat(ImageFile.read(data)).as(file.toString()).isEqualTo(ImageFile.read(file));
    }
  }

  @Test
  void readsTheSameInATurkishLocaleAndWithoutAContextClassLoader() throws Exception {
    Locale locale = Locale.getDefault();
    ClassLoader loader = Thread.currentThread().getContextClassLoader();
    List<Image> usual = readAll();
    try {
      Locale.setDefault(Locale.forLanguageTag("tr-TR"));
      Thread.currentThread().setContextClassLoader(null);

      assertThat(readAll()).isEqualTo(usual);
    } finally {
      Locale.setDefault(locale);
      Thread.currentThread().setContextClassLoader(loader);
    }
  }

  @Test
  void readsTheSameOnManyThreadsAtOnce() throws Exception {
    List<Image> usual = readAll();

    List<List<Image>> found =
        Stream.generate(() -> 0).limit(8).parallel().map(i -> readAll()).toList();

    assertThat(found).allSatisfy(images -> assertThat(images).isEqualTo(usual));
  }

  private static List<Image> readAll() {
    try {
      return files().stream().map(ImageFile::read).toList();
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }
}
