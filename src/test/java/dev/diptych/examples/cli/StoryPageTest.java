package dev.diptych.examples.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.diptych.core.FinishReason;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.Image;
import dev.diptych.core.LibraryVersion;
import dev.diptych.core.Part;
import dev.diptych.tokenizers.ImageFile;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import org.junit.jupiter.api.Test;

class StoryPageTest {
  private static final String TOOTH = "<script>alert('1')</script> & \"quotes\"";
  private static final Image SMALL = Image.of(2, 1, new byte[] {1, 2, 3, 4, 5, 6});
  private static final Image LARGE = Image.of(600, 300, new byte[600 * 300 * 3]);

  @Test
  void wordsAndPicturesStandInTheirOrder() {
    String html =
        page("a tale", List.of(), text("one\n\ntwo"), Part.of(SMALL), text("three"), Part.of(LARGE));

    Html read = Html.of(html);
    assertThat(read.content())
        .containsExactly(
            "h1 a tale",
            "p one",
            "p two",
            "img Picture 1 of 2: one two",
            "p three",
            "img Picture 2 of 2: three");
    assertThat(read.images()).containsExactly(SMALL, LARGE);
  }

  @Test
  void nothingButMarkupOfOursIsMarkup() {
    String html = page(TOOTH, List.of(), text(TOOTH), Part.of(SMALL), text("</p></main>\u0000\u0007"));

    Html read = Html.of(html);
    assertThat(read.content())
        .containsExactly(
            "h1 " + TOOTH,
            "p " + TOOTH,
            "img Picture 1 of 1: " + TOOTH,
            "p </p></main>\uFFFD\uFFFD");
    assertThat(read.title()).isEqualTo(TOOTH);
    assertThat(html).doesNotContain("<script", "alert('").contains("default-src 'none'");
  }

  @Test
  void thePageNeedsNoOtherFileAndTellsHowItWasMade() {
    String html = page("a tale", List.of(SMALL), text("one"));

    Html read = Html.of(html);
    assertThat(read.references()).isNotEmpty().allMatch(r -> r.startsWith("data:image/png;base64,"));
    assertThat(read.footer())
        .containsExactly(
            "Prompt a tale",
            "Model m<1>",
            "Seed -7",
            "topK 9",
            "guidanceScale 3.0",
            "Made by Diptych " + LibraryVersion.VERSION);
    assertThat(page("a tale", List.of(SMALL), text("one"))).isEqualTo(html);
  }

  @Test
  void tinyPicturesAreShownPixelByPixelAndLargeOnesAreNot() {
    String html = page("x", List.of(), Part.of(SMALL), Part.of(LARGE));

    List<String> images = html.lines().filter(l -> l.startsWith("<figure")).toList();
    assertThat(images.get(0)).contains("<img class=\"pixels\" width=\"384\" height=\"192\"");
    assertThat(images.get(1)).contains("<img width=\"600\" height=\"300\"");
    assertThat(html).contains("image-rendering: pixelated", "prefers-color-scheme: dark");
  }

  @Test
  void aPictureCarriesItsOriginAndAGivenOneIsMadeSmaller() {
    Image wide = Image.of(2048, 3, new byte[2048 * 3 * 3]);
    String html = page("x", List.of(wide), Part.of(SMALL));

    Html read = Html.of(html);
    assertThat(read.images().get(0).width()).isEqualTo(512);
    assertThat(read.images().get(0).height()).isEqualTo(1);
    assertThat(read.content().get(1)).isEqualTo("img Picture 1 of 1 of the question");
    byte[] drawn = Base64.getDecoder().decode(read.references().get(1).split(",")[1]);
    assertThat(drawn).isEqualTo(ImageFile.toPng(SMALL, result(Part.of(SMALL)).provenance("x", 0)));
  }

  private static Part text(String text) {
    return Part.of(text);
  }

  private static String page(String prompt, List<Image> given, Part... parts) {
    return StoryPage.html(prompt, given, result(parts));
  }

  private static GenerationResult result(Part... parts) {
    GenerationOptions options =
        GenerationOptions.builder().topK(9).guidanceScale(3).seed(-7).build();
    return new GenerationResult(
        List.of(parts),
        List.of(),
        List.of(),
        List.of(),
        FinishReason.STOP,
        -7,
        options,
        "m<1>",
        new GenerationResult.Timings(
            Duration.ZERO, Duration.ZERO, Duration.ZERO, Duration.ZERO, Duration.ZERO));
  }
}
