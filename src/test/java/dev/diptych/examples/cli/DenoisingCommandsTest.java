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
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The commands with models whose pictures are denoised. */
class DenoisingCommandsTest {
  private static final Path DDPM = Golden.folder("transfusion/linear");
  private static final Path FLOW = Golden.folder("transfusion/unet");

  @TempDir Path folder;

  @ParameterizedTest
  @CsvSource({"linear, one matrix", "unet, the blocks of a U-Net"})
  void inspectSaysWhatACheckpointIs(String golden, String patches) {
    Cli run = Cli.run("inspect", Golden.folder("transfusion/" + golden), "--json");

    JsonObject json = run.json();
    assertThat(run.exitCode()).as(run.stderr()).isZero();
    assertThat(json.get("family").getAsString()).isEqualTo("transfusion");
    assertThat(json.get("layout").getAsString()).endsWith(patches);
    assertThat(json.get("runs").getAsBoolean()).isTrue();
    assertThat(json.getAsJsonObject("sizes").keySet())
        .contains("text.hidden_size", "image.latent_channels", "image.patch_size");
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

    Cli flow = Cli.run(with(shifted, FLOW));
    Path plain = folder.resolve("q.png");
    Cli.run("draw", "a", "-o", plain, "--seed", 5, "--model", FLOW);
    Cli ddpm = Cli.run(with(shifted, DDPM));
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
  void theBarCountsStepsWhereStepsAreTaken() {
    try (UnifiedModel denoises = Diptych.load(DDPM);
        UnifiedModel codes = Diptych.load(Cli.TINY)) {
      assertThat(Drawing.unit(denoises)).isEqualTo(" steps");
      assertThat(Drawing.unit(codes)).isEqualTo(" tokens");
    }
  }

  private static Object[] with(Object[] arguments, Path model) {
    return Stream.concat(Stream.of(arguments), Stream.of(model)).toArray();
  }

  private List<String> names() {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(p -> p.getFileName().toString()).sorted().toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
