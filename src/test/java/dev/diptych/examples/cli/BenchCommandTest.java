package dev.diptych.examples.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Which figures there are, not what they are. */
class BenchCommandTest {
  @TempDir Path folder;

  @Test
  void benchNamesEveryFigureWithItsUnit() {
    JsonObject json = Cli.tiny(
                "bench", "--tokens", 3, "--together", 4, "--picture-memory", 10, "--json", "--quiet")
            .json();

    Map<String, String> units = new LinkedHashMap<>();
    json.getAsJsonArray("figures")
        .forEach(
            f -> {
              JsonObject figure = f.getAsJsonObject();
              units.put(figure.get("name").getAsString(), figure.get("unit").getAsString());
              assertThat(figure.get("value").getAsDouble()).as(f.toString()).isPositive();
            });
    assertThat(units)
        .containsEntry("drawing step, median", "ms")
        .containsEntry("drawing step, share of bandwidth", "%")
        .containsEntry("drawing step, native calls", "")
        .containsEntry("drawing, from prompt to pixels", "ms")
        .containsEntry("drawing of 4 pictures step, median", "ms")
        .containsEntry("drawing of 4 pictures, from prompt to pixels", "ms")
        .containsEntry("load and first token of a caption", "ms")
        .containsEntry("second question, first token", "ms")
        .containsEntry("second question, another session, first token", "ms")
        .containsEntry("caption step, native calls", "")
        .containsEntry("picture encoding, 40x40", "ms")
        .containsEntry("picture decoding (VQ)", "ms")
        .containsEntry("caption of 40x40, first token", "ms")
        .containsEntry("caption, tokens", "tokens/s")
        .containsEntry("memory bandwidth, float32 sum", "GB/s")
        .containsEntry("peak resident memory", "MB");
  }

  @Test
  void benchNamesEveryProductByRowsAndFormat() {
    JsonObject json =
        Cli.run(
                "bench", "kernels", "--outputs", 64, "--inputs", 128, "--rows", "65,1", "--rounds",
                1, "--json")
            .json();

    List<String> products = new ArrayList<>();
    json.getAsJsonArray("figures")
        .forEach(
            f -> {
              JsonObject figure = f.getAsJsonObject();
              products.add(figure.get("rows") + " " + figure.get("dtype").getAsString());
              for (String name : List.of("ms", "gigabytesPerSecond", "gigaflops")) {
                assertThat(figure.get(name).getAsDouble()).as(f.toString()).isPositive();
              }
            });
    assertThat(products)
        .containsExactly("65 bfloat16", "65 int8", "65 int4", "1 bfloat16", "1 int8", "1 int4");
  }

  @Test
  void benchMeasuresAChameleonThatItMade() {
    Path model = folder.resolve("chameleon");
    Cli made = Cli.run("bench", "make", "--shape", "chameleon-tiny", model);
    assertThat(made.stderr()).contains("no published size");

    Cli run =
        Cli.run(
            "bench", "--model", model, "--steps", 4, "--tokens", 3, "--json", "--quiet");

    Map<String, Double> figures = new LinkedHashMap<>();
    assertThat(run.exitCode()).as(run.stderr()).isZero();
    run.json()
        .getAsJsonArray("figures")
        .forEach(
            f ->
                figures.put(
                    f.getAsJsonObject().get("name").getAsString(),
                    f.getAsJsonObject().get("value").getAsDouble()));
    assertThat(figures)
        .containsEntry("drawing, rows of a picture", 2.0)
        .containsEntry("drawing step, native calls", 1.0)
        .containsEntry("drawing behind a picture, rows of a picture", 3.0)
        .containsEntry("drawing behind a picture step, native calls", 1.0)
        .containsKeys("caption of 64x64, first token", "caption step, read")
        .doesNotContainKey("drawing, from prompt to pixels");
    assertThat(figures.get("picture encoding, 64x64")).isPositive();
    assertThat(figures.get("drawing behind a picture step, read")).isPositive();
  }

  @Test
  void benchMeasuresATransfusionThatItMade() {
    Path model = folder.resolve("transfusion");
    Cli made = Cli.run("bench", "make", "--shape", "transfusion-tiny", model);
    assertThat(made.stderr()).contains("no published weights");
    JsonObject sizes = Cli.run("inspect", model, "--json").json();
    assertThat(sizes.get("runs").getAsBoolean()).isTrue();
    assertThat(sizes.getAsJsonObject("sizes").get("image.resolution").getAsInt()).isEqualTo(16);

    Map<String, Double> figures =
        figures(
            Cli.run(
                "bench", "--model", model, "--steps", 4, "--tokens", 3, "--together", 2, "--json",
                "--quiet"));

    assertThat(figures)
        .containsEntry("drawing step, native calls", 1.0)
        .containsEntry("drawing behind a picture step, native calls", 1.0)
        .containsKeys(
            "drawing, first step",
            "drawing of 2 pictures step, median",
            "caption of 16x16, first token",
            "second question, first token")
        .doesNotContainKeys("drawing, from prompt to pixels", "drawing step, read");
  }

  @Test
  void coldStartsAreProcessesOfTheirOwn() {
    Map<String, Double> figures =
        figures(Cli.run("bench", "cold", "--model", Cli.TINY, "--rounds", 1, "--json", "--quiet"));

    String name = Cli.TINY + ", cold, ";
    assertThat(figures)
        .containsOnlyKeys(
            name + "first letter of a caption", name + "a caption", name + "a drawing");
    assertThat(figures.get(name + "first letter of a caption"))
        .isBetween(1.0, figures.get(name + "a caption"));
  }

  @Test
  void aProcessThatFailsIsToldWithWhatItSaid() {
    Path nothing = folder.resolve("nothing");

    Cli run = Cli.run("bench", "cold", "--model", nothing, "--rounds", 1);

    assertThat(run.exitCode()).isEqualTo(1);
    assertThat(run.stderr()).contains("exit code 1", "No checkpoint in " + nothing);
  }

  private static Map<String, Double> figures(Cli run) {
    assertThat(run.exitCode()).as(run.stderr()).isZero();
    Map<String, Double> figures = new LinkedHashMap<>();
    run.json()
        .getAsJsonArray("figures")
        .forEach(
            f ->
                figures.put(
                    f.getAsJsonObject().get("name").getAsString(),
                    f.getAsJsonObject().get("value").getAsDouble()));
    return figures;
  }
}
