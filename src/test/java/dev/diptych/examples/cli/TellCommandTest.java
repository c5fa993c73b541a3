package dev.diptych.examples.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.diptych.core.Image;
import dev.diptych.examples.Demo;
import dev.diptych.examples.world.SceneReader;
import dev.diptych.testing.Golden;
import dev.diptych.tokenizers.ImageFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Answers in words and pictures, from the demo that is trained to give them. */
class TellCommandTest {
  private static final String PROMPT =
      "a large red circle, then a small blue square joins it below";
  private static final Path READS_ONLY = Golden.folder("chameleon/hf/checkpoint");

  private static final Image GIVEN = Image.of(2, 1, new byte[] {1, 2, 3, 4, 5, 6});

  @TempDir Path folder;

  @Test
  void tellsOnTheTerminalAndOnAPageWithItsPicturesBeside() throws IOException {
    Path page = folder.resolve("a tale.html");

    Cli run = Cli.run("tell", PROMPT, "-o", page, "--seed", 1);

    assertThat(run.exitCode()).as(run.stderr()).isZero();
    Path first = folder.resolve("a tale-1.png");
    Path second = folder.resolve("a tale-2.png");
    assertThat(run.text().lines())
        .containsExactly(
            "a large red circle",
            "[" + first + "]",
            "then a small blue square joins it below",
            "[" + second + "]");
    assertThat(run.stderr()).startsWith(page + ", pictures 2, seed 1, ").hasLineCount(1);
    assertThat(names()).containsExactly("a tale-1.png", "a tale-2.png", "a tale.html");
    Html read = Html.of(Files.readString(page));
    assertThat(read.content())
        .containsExactly(
            "h1 " + PROMPT,
            "p a large red circle",
            "img Picture 1 of 2: a large red circle",
            "p then a small blue square joins it below",
            "img Picture 2 of 2: then a small blue square joins it below");
    assertThat(read.images()).containsExactly(ImageFile.read(first), ImageFile.read(second));
    assertThat(read.footer()).contains("Prompt " + PROMPT, "Seed 1");
    assertThat(ImageFile.readPngText(second))
        .containsEntry("prompt", PROMPT)
        .containsEntry("seed", "1")
        .containsEntry("picture", "2 of 2");
  }

  /** The demo Transfusion says of each picture what it will show. */
  @Test
  void tellsWithTheDemoThatDenoises() throws IOException {
    Path page = folder.resolve("a tale.html");

    Cli run =
        Cli.run("tell", PROMPT, "-o", page, "--seed", 1, "--demo", Demo.TRANSFUSION, "--steps", 10);

    assertThat(run.exitCode()).as(run.stderr()).isZero();
    assertThat(Html.of(Files.readString(page)).content())
        .containsExactly(
            "h1 " + PROMPT,
            "p a large red circle",
            "img Picture 1 of 2: a large red circle",
            "p then a small blue square joins it below:"
                + " a large red circle above a small blue square",
            "img Picture 2 of 2: then a small blue square joins it below:"
                + " a large red circle above a small blue square");
    Image second = ImageFile.read(folder.resolve("a tale-2.png"));
    assertThat(SceneReader.read(second).scene().orElseThrow().caption())
        .isEqualTo("a large red circle above a small blue square");
  }

  @Test
  void jsonHasThePartsInOrderWithTheirFiles() {
    Path page = folder.resolve("s.html");

    JsonObject json = Cli.run("tell", PROMPT, "--out", page, "--seed", 1, "--json").json();

    assertThat(json.get("command").getAsString()).isEqualTo("tell");
    assertThat(json.getAsJsonArray("parts").asList().stream().map(p -> p.getAsJsonObject()))
        .extracting(
            p -> p.get("type").getAsString(),
            p -> p.get(p.has("text") ? "text" : "file").getAsString().strip())
        .containsExactly(
            tuple("text", "a large red circle"),
            tuple("picture", folder.resolve("s-1.png").toString()),
            tuple("text", "then a small blue square joins it below"),
            tuple("picture", folder.resolve("s-2.png").toString()));
    assertThat(json.getAsJsonArray("files")).hasSize(3);
    assertThat(json.getAsJsonArray("imageCodes")).hasSize(2);
    assertThat(names()).containsExactly("s-1.png", "s-2.png", "s.html");
  }

  @Test
  void aDashSendsThePageAloneToStandardOutput() {
    Cli run = Cli.run("tell", PROMPT, "-o", "-", "--seed", 1, "--max-pictures", 1);

    assertThat(run.exitCode()).as(run.stderr()).isZero();
    assertThat(Html.of(run.text()).images()).hasSize(1);
  }

  @Test
  void aPictureOfTheQuestionIsOnThePage() throws IOException {
    Path page = folder.resolve("s.html");

    Cli run =
        Cli.run("tell", "<b>what</b> now?", "-i", picture(), "-o", page, "--max-tokens", 3, "-n", 1);

    assertThat(run.exitCode()).as(run.stderr()).isZero();
    Html read = Html.of(Files.readString(page));
    assertThat(read.content())
        .startsWith("h1 <b>what</b> now?", "img Picture 1 of 1 of the question");
    assertThat(read.images().get(0)).isEqualTo(GIVEN);
  }

  @Test
  void refusesADemoThatWasNotTaughtToTellAndSaysWhichWas() {
    Demo demo = Demo.JANUS;
    Cli run = Cli.run("tell", "a story", "-o", folder.resolve("s.html"), "--demo", demo);

    assertThat(run.exitCode()).isEqualTo(1);
    assertThat(run.stderr())
        .startsWith("diptych: The demo " + demo + " was not taught to tell stories")
        .contains("expected --demo chameleon")
        .doesNotContain("\tat ");
    assertThat(names()).isEmpty();
  }

  @Test
  void refusesAModelThatCannotAndSaysWhichCan() {
    Cli run = Cli.tiny("tell", "a story", "-o", folder.resolve("s.html"));

    assertThat(run.exitCode()).isEqualTo(1);
    assertThat(run.text()).isEmpty();
    assertThat(run.stderr())
        .contains("does not answer in words and pictures", "TEXT -> IMAGE", "--demo chameleon")
        .doesNotContain("\tat ");
    assertThat(names()).isEmpty();
  }

  @Test
  void aModelThatOnlyReadsRefusesToDrawAndToTell() {
    Path target = folder.resolve("p.png");

    Cli draw = Cli.run("draw", "a", "-o", target, "--model", READS_ONLY, "--json");
    Cli tell = Cli.run("tell", "a", "-o", target, "--model", READS_ONLY, "--json");
    Cli said = Cli.run("caption", picture(), "--model", READS_ONLY, "--max-tokens", 2);

    for (Cli refused : List.of(draw, tell)) {
      assertThat(refused.exitCode()).isEqualTo(1);
      JsonObject error = refused.json().getAsJsonObject("error");
      assertThat(error.get("type").getAsString()).isEqualTo("UnsupportedRequestException");
      assertThat(error.get("message").getAsString()).contains("IMAGE and TEXT -> TEXT");
    }
    assertThat(said.exitCode()).as(said.stderr()).isZero();
    assertThat(names()).containsExactly("given.png");
  }

  @Test
  void refusesATargetThatCannotBeWrittenBeforeItLoadsTheModel() {
    Cli run = Cli.run("tell", "a", "-o", folder.resolve("no/such.html"), "--model", folder);

    assertThat(run.exitCode()).isEqualTo(1);
    assertThat(run.stderr()).contains("Cannot write", "no folder");
  }

  @Test
  void aDeadlineEndsAStoryWithoutAFile() {
    Cli run = Cli.run("tell", PROMPT, "-o", folder.resolve("s.html"), "--deadline", "0.000001");

    assertThat(run.exitCode()).isEqualTo(1);
    assertThat(run.stderr()).contains("deadline");
    assertThat(names()).isEmpty();
  }

  @Test
  void optionsThatAModelWouldNotHeedAreRefused() {
    Path target = folder.resolve("p.png");

    Cli size = Cli.tiny("draw", "a", "-o", target, "--size", "64x64");
    Cli guidance = Cli.tiny("draw", "a", "-o", target, "--image-guidance", 2);
    Cli tale = Cli.run("tell", "a", "-o", target, "--size", "32x64");

    assertThat(List.of(size, guidance, tale)).allMatch(run -> run.exitCode() == 1);
    assertThat(size.stderr()).contains("expected 10x10", "found    64x64");
    assertThat(guidance.stderr()).contains("--image-guidance 2.0");
    assertThat(tale.stderr()).contains("expected 64x64", "found    32x64");
    assertThat(names()).isEmpty();
  }

  @Test
  void aConversationGoesOnWithWhatWasDrawnAndTold() {
    Cli run =
        Cli.typed(
            "/draw a large red circle\nWhat color is the circle?\n/reset\n/tell " + PROMPT + "\n",
            "chat",
            "--demo",
            "chameleon",
            "--seed",
            1,
            "--drawings",
            folder,
            "--json");

    assertThat(run.exitCode()).as(run.stderr()).isZero();
    List<JsonObject> turns =
        run.text().lines().map(l -> JsonParser.parseString(l).getAsJsonObject()).toList();
    assertThat(turns).hasSize(3);
    assertThat(turns.get(1).get("text").getAsString().strip()).isEqualTo("red");
    int codes = turns.get(0).getAsJsonArray("imageCodes").get(0).getAsJsonArray().size();
    assertThat(turns.get(1).getAsJsonArray("promptTokenIds").size()).isLessThan(codes);
    assertThat(turns.get(2).getAsJsonArray("parts")).hasSize(4);
    assertThat(names())
        .containsExactly("drawing-1.png", "story-1-1.png", "story-1-2.png", "story-1.html");
  }

  @Test
  void aConversationWithAModelThatCannotTellGoesOn() {
    Cli run =
        Cli.typed("/tell a story\nhello\n", "chat", "--model", Cli.TINY, "--max-tokens", 3);

    assertThat(run.exitCode()).isEqualTo(1);
    assertThat(run.stderr()).contains("does not answer in words and pictures");
    assertThat(run.text()).isNotEmpty();
  }

  private Path picture() {
    Path given = folder.resolve("given.png");
    ImageFile.writePng(GIVEN, given, Map.of());
    return given;
  }

  private List<String> names() {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(p -> p.getFileName().toString()).sorted().toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
