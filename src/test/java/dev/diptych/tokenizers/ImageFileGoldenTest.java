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
  private static final Path OVER_WHITE = Pictures.FOLDER.resolve("over_white");

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

  @Test
  void everyOpacityLaidOnWhiteEqualsTheReference() throws Exception {
    List<Path> expected;
    try (Stream<Path> all = Files.list(OVER_WHITE)) {
      expected = all.filter(file -> file.toString().endsWith(".png")).sorted().toList();
    }
    List<String> differences = new ArrayList<>();
    List<Path> opaque = new ArrayList<>(files());
    for (Path png : expected) {
      String name = png.getFileName().toString().replaceAll("_(png|gif|webp)\\.png$", ".$1");
      Path file = (name.startsWith("alpha_filter") ? OVER_WHITE : FORMATS).resolve(name);
      opaque.remove(file);
      Image found = ImageOps.overWhite(ImageFile.read(file));
      String difference = Pictures.difference(Pictures.expected(png), found);
      if (!difference.isEmpty()) {
        differences.add(name + ": " + difference);
      }
    }

    assertThat(differences).isEmpty();
    assertThat(expected).hasSize(17);
    assertThat(opaque)
        .allSatisfy(file -> assertThat(ImageFile.read(file).alpha()).as(file.toString()).isEmpty());
  }

  @Test
  void turnsOpacityWithThePicture() {
    byte[] alpha = {1, 2, 3, 4, 5, 6};

    // 3 x 2 pixels, held with the camera turned to the left
    assertThat(ExifOrientation.upright(alpha, 3, 2, 6)).containsExactly(4, 1, 5, 2, 6, 3);
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
