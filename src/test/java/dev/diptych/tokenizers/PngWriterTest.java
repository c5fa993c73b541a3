package dev.diptych.tokenizers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.Image;
import dev.diptych.core.InvalidImageException;
import dev.diptych.core.InvalidRequestException;
import java.io.ByteArrayInputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PngWriterTest {
  @TempDir Path folder;

  @Test
  void writesWhatOtherReadersReadBack() throws Exception {
    byte[] noise = new byte[3 * 31 * 17];
    new Random(3).nextBytes(noise);
    Image[] images = {
      Pictures.photograph("chelsea"), Image.of(31, 17, noise), Image.of(1, 1, new byte[] {1, 2, 3})
    };

    for (Image image : images) {
      byte[] png = ImageFile.toPng(image, Map.of("prompt", "a cat"));
      assertThat(Pictures.expected(new ByteArrayInputStream(png))).isEqualTo(image);
      assertThat(ImageFile.read(png)).isEqualTo(image);
    }
  }

  @Test
  void writesPhotographsNoLargerThanImageIo() throws Exception {
    Image image = Pictures.photograph("coffee");
    var other = new java.io.ByteArrayOutputStream();
    javax.imageio.ImageIO.write(image.toBufferedImage(), "png", other);

    assertThat(ImageFile.toPng(image, Map.of()).length).isLessThanOrEqualTo(other.size());
  }

  @Test
  void writesTheSameBytesWhateverTheOrderOfTheMap() {
    Image image = Pictures.photograph("tall");
    Map<String, String> forth = new LinkedHashMap<>();
    forth.put("a", "1");
    forth.put("b", "2");
    Map<String, String> back = new LinkedHashMap<>();
    back.put("b", "2");
    back.put("a", "1");

    assertThat(ImageFile.toPng(image, forth)).isEqualTo(ImageFile.toPng(image, back));
  }

  @Test
  void keepsTextsOfEveryScript() {
    Path file = folder.resolve("picture.png");
    Map<String, String> text = new TreeMap<>();
    text.put("prompt", "ein großer Kreis über 小さな四角 \ud83d\udfe5");
    text.put("seed", "-9223372036854775808");
    text.put("Latin é", "naïve\nsecond line");
    text.put("empty", "");

    ImageFile.writePng(Pictures.photograph("wide"), file, text);

    assertThat(ImageFile.readPngText(file)).isEqualTo(text);
  }

  @Test
  void refusesKeywordsAndTextsThatPngCannotHold() {
    Image image = Image.of(1, 1, new byte[3]);

    for (String keyword : new String[] {"", " a", "a ", "x".repeat(80), "новый", "a\nb", "a\0b"}) {
      assertThatThrownBy(() -> ImageFile.toPng(image, Map.of(keyword, "text")))
          .as(keyword)
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("1 to 79 printable Latin-1 characters");
    }
    assertThatThrownBy(() -> ImageFile.toPng(image, Map.of("a", "b\0c")))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("U+0000");
  }

  @Test
  void replacesAFileWholeAndLeavesNothingElse() throws Exception {
    Path file = folder.resolve("ein Bild, größer.png");
    Files.writeString(file, "old");

    ImageFile.writePng(Pictures.photograph("wide"), file, Map.of());

    assertThat(ImageFile.read(file)).isEqualTo(Pictures.photograph("wide"));
    try (Stream<Path> all = Files.list(folder)) {
      assertThat(all).containsExactly(file);
    }
  }

  @Test
  void leavesNothingWhereItCannotWrite() throws Exception {
    Path blocked = Files.createDirectories(folder.resolve("blocked.png/inside")).getParent();
    Image image = Image.of(1, 1, new byte[3]);

    assertThatThrownBy(() -> ImageFile.writePng(image, blocked, Map.of()))
        .isInstanceOf(UncheckedIOException.class)
        .hasMessageContaining("blocked.png");
    assertThatThrownBy(() -> ImageFile.writePng(image, folder.resolve("none/p.png"), Map.of()))
        .isInstanceOf(UncheckedIOException.class)
        .hasMessageContaining("Cannot write");
    try (Stream<Path> all = Files.list(folder)) {
      assertThat(all).containsExactly(blocked);
    }
  }

  @Test
  void refusesTextOfFilesThatAreNoPng() throws Exception {
    Path jpeg = Pictures.FOLDER.resolve("formats/jpeg_444.jpg");

    assertThatThrownBy(() -> ImageFile.readPngText(jpeg))
        .isInstanceOf(InvalidImageException.class)
        .hasMessageContaining("expected a PNG picture");
    assertThat(ImageFile.readPngText(Pictures.FOLDER.resolve("photographs/tall.png"))).isEmpty();
  }
}
