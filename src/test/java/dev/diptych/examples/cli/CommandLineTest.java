package dev.diptych.examples.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.diptych.core.Image;
import dev.diptych.core.LibraryVersion;
import dev.diptych.tokenizers.ImageFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CommandLineTest {
  @TempDir Path folder;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "paint",
        "draw",
        "draw a --seed x",
        "draw a --temperature -1",
        "draw a -n 0",
        "draw a --guidance NaN",
        "draw a --dtype int3",
        "draw a --device tpu",
        "draw a --demo emu3",
        "evaluate --demo chameleon --model x",
        "draw a -o - -n 2",
        "draw a -o - --json",
        "draw a --deadline 0",
        "draw a --size 64",
        "draw a --size 0x64",
        "draw a --image-guidance -1",
        "draw a --steps 0",
        "draw a --steps 1000000",
        "draw a --shift 0",
        "draw a --guidance-interval 0.4",
        "draw a --guidance-interval a,b",
        "draw a --guidance-interval 1,0.4",
        "draw a --guidance-interval NaN,1",
        "draw a --renorm some",
        "draw a --renorm global,2",
        "draw a --renorm global,x",
        "inspect x --demo janus",
        "edit",
        "edit picture.png",
        "edit picture.png a -n 0",
        "edit picture.png a -o - --json",
        "edit picture.png a --demo emu3",
        "tell",
        "tell a -n 0",
        "tell a -o - --json",
        "tell a --demo llama",
        "caption",
        "ask picture.png",
        "export --part vq-decoder",
        "export --part eyes -o x.onnx",
        "bench --tokens 1",
        "bench --together -1",
        "bench cold --rounds 0",
        "bench cold --model x --demo janus",
        "bench make --shape janus-1t x",
        "bench kernels --inputs 65",
        "bench kernels --rows 1,0",
        "bench quality --narrow int3",
        "bench quality --scenes -1",
        "bench quality --steps -1"
      })
  void refusesWrongUsageWithExitCode2(String line) {
    Object[] arguments = line.isEmpty() ? new Object[0] : line.split(" ");

    Cli run = Cli.run(arguments);

    assertThat(run.exitCode()).as(run.stderr()).isEqualTo(2);
    assertThat(run.text()).isEmpty();
    assertThat(run.stderr()).containsAnyOf("Usage: diptych", "Did you mean: diptych").doesNotContain("\tat ");
  }

  @Test
  void helpAndVersionAreAnswers() {
    assertThat(Cli.run("--help").exitCode()).isZero();
    assertThat(Cli.run("--help").text())
        .contains("draw", "edit", "caption", "ask", "tell", "chat", "inspect", "export", "doctor", "bench");
    assertThat(Cli.run("--version").text()).isEqualToIgnoringNewLines("diptych " + LibraryVersion.VERSION);
    assertThat(LibraryVersion.VERSION).matches("\\d+\\.\\d+.*");
  }

  @Test
  void aFolderWithoutAModelFailsWithItsMessageAlone() {
    Cli run = Cli.run("draw", "a circle", "-o", folder.resolve("a.png"), "--model", folder);

    assertThat(run.exitCode()).isEqualTo(1);
    assertThat(run.stderr())
        .startsWith("diptych: No checkpoint in " + folder)
        .doesNotContain("\tat ");
    assertThat(folder).isEmptyDirectory();
  }

  @Test
  void verboseShowsWhereAnErrorCameFrom() {
    Cli run = Cli.run("caption", folder.resolve("none.png"), "--verbose");

    assertThat(run.exitCode()).isEqualTo(1);
    assertThat(run.stderr()).contains("none.png", "\tat dev.diptych.");
  }

  @Test
  void anErrorIsJsonWhenJsonWasAsked() {
    JsonObject error =
        Cli.run("inspect", folder.resolve("none"), "--json").json().getAsJsonObject("error");

    assertThat(error.get("type").getAsString()).isEqualTo("CheckpointException");
    assertThat(error.get("message").getAsString()).contains("none");
  }

  @Test
  void refusesATargetThatCannotBeWrittenBeforeItLoadsTheModel() {
    Cli run = Cli.tiny("draw", "a circle", "-o", folder.resolve("no/such/folder.png"));

    assertThat(run.exitCode()).isEqualTo(1);
    assertThat(run.stderr()).contains("Cannot write", "no folder");
  }

  @Test
  void drawWritesAPictureThatSaysHowItWasMade() {
    Path target = folder.resolve("a picture.png");

    Cli run =
        Cli.tiny("draw", "a red circle: ünï", "-o", target, "--seed", 5, "--preview", "--top-k", 9);

    assertThat(run.exitCode()).as(run.stderr()).isZero();
    assertThat(run.text()).isEqualToIgnoringNewLines(target.toString());
    assertThat(ImageFile.read(target).width()).isEqualTo(10);
    Map<String, String> text = ImageFile.readPngText(target);
    assertThat(text)
        .containsEntry("prompt", "a red circle: ünï")
        .containsEntry("seed", "5")
        .containsEntry("model", "checkpoint")
        .containsEntry("Software", "Diptych " + LibraryVersion.VERSION);
    JsonObject options = JsonParser.parseString(text.get("options")).getAsJsonObject();
    assertThat(options.get("topK").getAsInt()).isEqualTo(9);
    assertThat(options.get("guidanceScale").getAsDouble()).isEqualTo(5);
    assertThat(names()).containsExactly("a picture.png");
  }

  @Test
  void severalPicturesAreNumberedAndTheirCodesAreTheSameAsOfOne() {
    Path target = folder.resolve("p.png");

    JsonObject three =
        Cli.tiny("draw", "a star", "-o", target, "--seed", 5, "-n", 3, "--json").json();
    JsonObject one = Cli.tiny("draw", "a star", "-o", target, "--seed", 5, "--json").json();

    assertThat(names()).containsExactly("p-1.png", "p-2.png", "p-3.png", "p.png");
    assertThat(three.getAsJsonArray("imageCodes")).hasSize(3);
    assertThat(three.getAsJsonArray("imageCodes").get(0))
        .isEqualTo(one.getAsJsonArray("imageCodes").get(0));
    assertThat(ImageFile.read(folder.resolve("p-1.png"))).isEqualTo(ImageFile.read(target));
  }

  @Test
  void aDashSendsThePictureToStandardOutput() {
    Cli run = Cli.tiny("draw", "a star", "-o", "-", "--seed", 5);

    assertThat(run.exitCode()).as(run.stderr()).isZero();
    Image image = ImageFile.read(run.stdout());
    assertThat(image.width()).isEqualTo(10);
    assertThat(names()).isEmpty();
  }

  @Test
  void jsonHasEverythingAboutAnAnswer() {
    JsonObject drawn =
        Cli.tiny("draw", "a star", "-o", folder.resolve("p.png"), "--seed", 5, "--json").json();
    JsonObject told =
        Cli.tiny("caption", folder.resolve("p.png"), "--max-tokens", 4, "--json").json();

    for (JsonObject json : List.of(drawn, told)) {
      assertThat(json.keySet())
          .containsExactly(
              "command", "text", "promptTokenIds", "tokenIds", "imageCodes", "seed", "options",
              "model", "timingsMs", "finishReason", "files");
      assertThat(json.getAsJsonObject("model").keySet())
          .containsExactly("name", "folder", "dtype", "device");
      assertThat(json.getAsJsonObject("timingsMs").keySet())
          .containsExactly(
              "load", "firstToken", "tokens", "imageEncoding", "imageDecoding", "total");
      assertThat(json.getAsJsonArray("promptTokenIds")).isNotEmpty();
      assertThat(json.getAsJsonObject("model").get("dtype").getAsString())
          .isIn("float32", "bfloat16");
    }
    assertThat(drawn.getAsJsonArray("imageCodes").get(0).getAsJsonArray()).hasSize(25);
    assertThat(drawn.getAsJsonArray("files").get(0).getAsString()).endsWith("p.png");
    assertThat(drawn.get("seed").getAsLong()).isEqualTo(5);
    assertThat(drawn.get("finishReason").getAsString()).isEqualTo("stop");
    assertThat(told.getAsJsonArray("tokenIds")).hasSize(4);
    assertThat(told.get("finishReason").getAsString()).isEqualTo("length");
  }

  @Test
  void captionAndAskSayTheSameWithAndWithoutJson() {
    Path picture = folder.resolve("p.png");
    ImageFile.writePng(Image.of(2, 1, new byte[] {1, 2, 3, 4, 5, 6}), picture, Map.of());

    Cli streamed = Cli.tiny("ask", picture, picture, "which is larger?", "--max-tokens", 9);
    Cli json = Cli.tiny("ask", picture, picture, "which is larger?", "--max-tokens", 9, "--json");

    assertThat(streamed.exitCode()).as(streamed.stderr()).isZero();
    assertThat(streamed.text()).isEqualToIgnoringNewLines(json.json().get("text").getAsString());
    assertThat(streamed.stderr()).isEmpty();
  }

  @Test
  void aDeadlineEndsADrawingWithoutAFile() {
    Cli run = Cli.tiny("draw", "a", "-o", folder.resolve("p.png"), "--deadline", "0.000001");

    assertThat(run.exitCode()).isEqualTo(1);
    assertThat(run.stderr()).contains("deadline");
    assertThat(names()).isEmpty();
  }

  @Test
  void chatReadsLinesFromAPipe() {
    Path picture = folder.resolve("p.png");
    ImageFile.writePng(Image.of(2, 1, new byte[] {1, 2, 3, 4, 5, 6}), picture, Map.of());
    String lines =
        "/image " + picture + "\nwhat is this?\nand now?\n/draw a star\n/reset\nhello\n/quit\nnever\n";

    Cli run =
        Cli.typed(
            lines, "chat", "--model", Cli.TINY, "--max-tokens", 3, "--drawings", folder, "--json");

    assertThat(run.exitCode()).as(run.stderr()).isZero();
    List<JsonObject> turns =
        run.text().lines().map(l -> JsonParser.parseString(l).getAsJsonObject()).toList();
    assertThat(turns).hasSize(4);
    assertThat(turns.get(0).getAsJsonArray("promptTokenIds").size()).isGreaterThan(25);
    assertThat(turns.get(1).getAsJsonArray("promptTokenIds").size()).isLessThan(25);
    assertThat(names()).containsExactly("drawing-1.png", "p.png");
  }

  @Test
  void chatGoesOnAfterAWrongLineAndSaysSoAtTheEnd() {
    Cli run =
        Cli.typed(
            "/image " + folder.resolve("none.png") + "\n/dance\nhello\n",
            "chat",
            "--model",
            Cli.TINY,
            "--max-tokens",
            3);

    assertThat(run.exitCode()).isEqualTo(1);
    assertThat(run.stderr()).contains("none.png", "unknown: /dance");
    assertThat(run.text()).isNotEmpty();
  }

  @Test
  void exportWritesADecoderThatDrawsTheSamePicture() {
    Path onnx = folder.resolve("decoder.onnx");
    Path own = folder.resolve("own.png");
    Path exported = folder.resolve("exported.png");

    Cli export = Cli.run("export", Cli.TINY, "--part", "vq-decoder", "-o", onnx);
    Cli.tiny("draw", "a star", "-o", own, "--seed", 5);
    Cli draw = Cli.tiny("draw", "a star", "-o", exported, "--seed", 5, "--image-decoder", onnx);

    assertThat(export.exitCode()).as(export.stderr()).isZero();
    assertThat(export.text()).isEqualToIgnoringNewLines(onnx.toString());
    assertThat(draw.exitCode()).as(draw.stderr()).isZero();
    assertThat(ImageFile.read(exported)).isEqualTo(ImageFile.read(own));
    assertThat(Cli.run("export", Cli.TINY, "--part", "vq-encoder", "-o", onnx).exitCode()).isZero();
  }

  @Test
  void doctorFindsEverythingThatTheTestsNeed() {
    Cli run = Cli.run("doctor", "--json");

    JsonObject json = run.json();
    assertThat(json.getAsJsonArray("findings").toString())
        .contains("libtorch 2.7.1", "ONNX Runtime", "djl api");
  }

  private List<String> names() {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(p -> p.getFileName().toString()).sorted().toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
