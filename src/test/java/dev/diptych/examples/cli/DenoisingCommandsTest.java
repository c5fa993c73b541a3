package dev.diptych.examples.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.diptych.core.UnifiedModel;
import dev.diptych.models.Diptych;
import dev.diptych.testing.Golden;
import dev.diptych.tokenizers.ImageFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The commands with models whose pictures are denoised. */
class DenoisingCommandsTest {
  private static final Path DDPM = Golden.folder("transfusion/linear");
  private static final Path FLOW = Golden.folder("transfusion/unet");
  private static final Path BAGEL = Golden.folder("bagel/checkpoint");

  private static final Path CLASSES = Golden.folder("monoformer/published");

  @TempDir Path folder;

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "transfusion/linear; transfusion; of this library, patches by one matrix",
        "transfusion/unet; transfusion; of this library, patches by the blocks of a U-Net",
        "janusflow/checkpoint; janusflow; original (deepseek-ai), with a VAE",
        "bagel/checkpoint; bagel; published",
        "monoformer/published; monoformer; original, averaged weights"
      })
  void inspectSaysWhatACheckpointIs(String golden, String family, String layout) {
    Cli run = Cli.run("inspect", Golden.folder(golden), "--json");

    JsonObject json = run.json();
    assertThat(run.exitCode()).as(run.stderr()).isZero();
    assertThat(json.get("family").getAsString()).isEqualTo(family);
    assertThat(json.get("layout").getAsString()).isEqualTo(layout);
    assertThat(json.get("runs").getAsBoolean()).isTrue();
    assertThat(json.getAsJsonObject("sizes").get("text.hidden_size").getAsInt()).isPositive();
    JsonObject memory = json.getAsJsonObject("memoryBytes");
    assertThat(memory.get("weightsInt8").getAsLong())
        .isLessThan(memory.get("weightsBfloat16").getAsLong());
  }

  @Test
  void drawHeedsTheStepsAndWritesThemIntoThePicture() {
    Path target = folder.resolve("p.png");

    JsonObject json =
        Cli.run("draw", "a", "-o", target, "--model", DDPM, "--steps", 3, "--seed", 5, "--json")
            .json();
    Cli again = Cli.run("draw", "a", "-o", folder.resolve("q.png"), "--model", DDPM, "--seed", 5);

    assertThat(json.getAsJsonObject("options").get("inferenceSteps").getAsInt()).isEqualTo(3);
    assertThat(json.getAsJsonArray("imageCodes")).isEmpty();
    String options = ImageFile.readPngText(target).get("options");
    assertThat(JsonParser.parseString(options).getAsJsonObject().get("inferenceSteps").getAsInt())
        .isEqualTo(3);
    assertThat(again.exitCode()).as(again.stderr()).isZero();
    assertThat(ImageFile.read(folder.resolve("q.png"))).isNotEqualTo(ImageFile.read(target));
  }

  @Test
  void aFlowHeedsAShiftAndOtherNoiseDoesNot() {
    Path target = folder.resolve("p.png");
    Object[] shifted = {"draw", "a", "-o", target, "--seed", 5, "--shift", 3, "--model"};

    Cli flow = Cli.run(with(new Object[] {FLOW}, shifted));
    Path plain = folder.resolve("q.png");
    Cli.run("draw", "a", "-o", plain, "--seed", 5, "--model", FLOW);
    Cli ddpm = Cli.run(with(new Object[] {DDPM}, shifted));
    Cli renormalised =
        Cli.run("draw", "a", "-o", target, "--renorm", "global", "--model", FLOW);

    assertThat(flow.exitCode()).as(flow.stderr()).isZero();
    assertThat(ImageFile.read(target)).isNotEqualTo(ImageFile.read(plain));
    assertThat(ddpm.exitCode()).isEqualTo(1);
    assertThat(ddpm.stderr())
        .startsWith(
            "diptych: This model has no --shift: it denoises its pictures in another way");
    assertThat(renormalised.stderr()).contains("no --renorm", "found    --renorm global,0.0");
  }

  /** A temperature on a chat's command line is for what it says; on a drawing's it is a mistake. */
  @Test
  void aTemperatureIsForWordsAlone() {
    Cli draw =
        Cli.run(
            "draw", "a", "-o", folder.resolve("p.png"), "--model", DDPM, "--temperature", 0.5);
    Cli chat =
        Cli.typed(
            "hello\n/draw a\n",
            "chat", "--model", DDPM, "--temperature", 0.5, "--top-k", 5, "--steps", 2,
            "--max-tokens", 3, "--drawings", folder);

    assertThat(draw.exitCode()).isEqualTo(1);
    assertThat(draw.stderr()).contains("temperature is for tokens", "remedy   leave it out");
    assertThat(chat.exitCode()).as(chat.stderr()).isZero();
    assertThat(folder.resolve("drawing-1.png")).exists();
  }

  @Test
  void bagelHeedsEveryOptionOfDenoising() {
    Path target = folder.resolve("p.png");

    Cli draw =
        Cli.run(
            "draw", "a", "-o", target, "--model", BAGEL, "--steps", 3, "--shift", 2,
            "--guidance-interval", "0.2,0.9", "--renorm", "channel,0.1", "--json");
    Cli edit =
        Cli.run("edit", target, "a", "-o", target, "--model", BAGEL, "--steps", 2, "--json");
    Cli think =
        Cli.run("caption", target, "--model", BAGEL, "--think", "--max-tokens", 4, "--json");

    for (Cli run : List.of(draw, edit, think)) {
      assertThat(run.exitCode()).as(run.stderr()).isZero();
    }
    assertThat(draw.json().getAsJsonObject("options").toString())
        .contains(
            "\"inferenceSteps\":3,\"timestepShift\":2.0",
            "\"guidanceInterval\":{\"from\":0.2,\"to\":0.9}",
            "\"guidanceRenorm\":{\"kind\":\"channel\",\"minimum\":0.1}");
    // An edit's own defaults, not those of a drawing.
    assertThat(edit.json().getAsJsonObject("options").toString())
        .contains("\"imageGuidanceScale\":2.0", "\"kind\":\"text_channel\"");
    assertThat(think.json().getAsJsonObject("options").get("think").getAsBoolean()).isTrue();
  }

  @Test
  void aModelThatOnlyDrawsSaysSo() {
    Path target = folder.resolve("p.png");

    Object[] model = {"--model", CLASSES, "--image-coder", Golden.folder("monoformer/vae")};

    Cli draw = Cli.run(with(model, "draw", "a tench", "-o", target, "--steps", 2));
    Cli caption = Cli.run(with(model, "caption", target));
    Cli edit = Cli.run(with(model, "edit", target, "a goldfish", "-o", target));

    assertThat(draw.exitCode()).as(draw.stderr()).isZero();
    assertThat(ImageFile.read(target).width()).isEqualTo(48);
    for (Cli refused : List.of(caption, edit)) {
      assertThat(refused.exitCode()).isEqualTo(1);
      assertThat(refused.stderr())
          .startsWith("diptych: ")
          .contains("TEXT -> IMAGE")
          .doesNotContain("\tat ");
    }
  }

  @Test
  void stepsThatTheScheduleDoesNotHaveAreOneMessage() {
    Cli run =
        Cli.run("draw", "a", "-o", folder.resolve("p.png"), "--model", DDPM, "--steps", 1001);

    assertThat(run.exitCode()).isEqualTo(1);
    assertThat(run.stderr()).startsWith("diptych: ").contains("1001").doesNotContain("\tat ");
    assertThat(names()).isEmpty();
  }

  @Test
  void editsAndDescribesAndTells() {
    Path before = folder.resolve("a.png");
    Path after = folder.resolve("b.png");
    Path page = folder.resolve("t.html");
    Cli.run("draw", "a circle", "-o", before, "--model", DDPM, "--seed", 1);

    Cli edit =
        Cli.run(
            "edit", before, "make it blue", "-o", after, "--model", DDPM, "--seed", 1, "--preview");
    Cli other = Cli.run("edit", before, "remove it", "-o", "-", "--model", DDPM, "--seed", 1);
    Cli caption = Cli.run("caption", after, "--model", DDPM, "--max-tokens", 4, "--json");
    Cli tell = Cli.run("tell", "a", "-o", page, "--model", DDPM, "-n", 1, "--max-tokens", 9);

    for (Cli run : List.of(edit, other, caption, tell)) {
      assertThat(run.exitCode()).as(run.stderr()).isZero();
    }
    assertThat(ImageFile.read(after))
        .isNotEqualTo(ImageFile.read(before))
        .isNotEqualTo(ImageFile.read(other.stdout()));
    assertThat(names()).contains("a.png", "b.png", "t.html").noneMatch(n -> n.contains("preview"));
  }

  @Test
  void aConversationEditsThePictureThatItWasShown() {
    Path shown = folder.resolve("shown.png");
    Cli.run("draw", "a circle", "-o", shown, "--model", DDPM, "--seed", 1);

    Cli run =
        Cli.typed(
            "/image " + shown + "\n/draw make it blue\n",
            "chat", "--model", DDPM, "--seed", 1, "--steps", 2, "--drawings", folder);
    Cli edit =
        Cli.run(
            "edit", shown, "make it blue", "-o", folder.resolve("e.png"), "--model", DDPM,
            "--seed", 1, "--steps", 2);

    assertThat(run.exitCode()).as(run.stderr()).isZero();
    assertThat(edit.exitCode()).as(edit.stderr()).isZero();
    assertThat(ImageFile.read(folder.resolve("drawing-1.png")))
        .isEqualTo(ImageFile.read(folder.resolve("e.png")));
  }

  @Test
  void exportWritesADecoderThatDrawsTheSamePicture() {
    Path onnx = folder.resolve("decoder.onnx");
    Path own = folder.resolve("own.png");
    Path exported = folder.resolve("exported.png");
    Object[] draw = {"draw", "a", "--seed", 5, "--model", DDPM, "-o"};

    Cli export = Cli.run("export", DDPM, "--part", "vae-decoder", "-o", onnx);
    Cli.run(with(new Object[] {own}, draw));
    Cli drawn =
        Cli.run(
            "draw", "a", "--seed", 5, "--model", DDPM, "--image-decoder", onnx, "-o", exported);

    assertThat(export.exitCode()).as(export.stderr()).isZero();
    assertThat(drawn.exitCode()).as(drawn.stderr()).isZero();
    assertThat(ImageFile.read(exported)).isEqualTo(ImageFile.read(own));
  }

  @Test
  void benchMeasuresStepsOfOneCallAndNoCodes() {
    Cli run = Cli.run("bench", "--model", FLOW, "--tokens", 3, "--json", "--quiet");

    assertThat(run.exitCode()).as(run.stderr()).isZero();
    Map<String, Double> figures = new HashMap<>();
    run.json()
        .getAsJsonArray("figures")
        .forEach(
            f ->
                figures.put(
                    f.getAsJsonObject().get("name").getAsString(),
                    f.getAsJsonObject().get("value").getAsDouble()));
    assertThat(figures)
        .containsEntry("drawing step, native calls", 1.0)
        .containsEntry("drawing behind a picture step, native calls", 1.0)
        .containsKeys("drawing, first step", "picture decoding (VAE)", "caption step, read");
    assertThat(figures.keySet()).noneMatch(name -> name.contains("code"));
  }

  @Test
  void theBarCountsStepsWhereStepsAreTaken() {
    try (UnifiedModel denoises = Diptych.load(DDPM);
        UnifiedModel codes = Diptych.load(Cli.TINY)) {
      assertThat(Drawing.unit(denoises)).isEqualTo(" steps");
      assertThat(Drawing.unit(codes)).isEqualTo(" tokens");
    }
  }

  private static Object[] with(Object[] last, Object... first) {
    return Stream.concat(Stream.of(first), Stream.of(last)).toArray();
  }

  private List<String> names() {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(p -> p.getFileName().toString()).sorted().toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
