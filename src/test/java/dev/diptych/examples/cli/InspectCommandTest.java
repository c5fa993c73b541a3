package dev.diptych.examples.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import dev.diptych.examples.Demo;
import dev.diptych.testing.ForkedJvm;
import dev.diptych.testing.Golden;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class InspectCommandTest {
  @TempDir Path folder;

  @ParameterizedTest
  @CsvSource({"hf, janus, HF-native", "original/janus-1.3b, multi_modality, original (deepseek-ai)"})
  void saysWhatACheckpointIs(String golden, String family, String layout) {
    Cli run = Cli.run("inspect", Golden.folder("janus/" + golden + "/checkpoint"), "--json");

    JsonObject json = run.json();
    assertThat(run.exitCode()).as(run.stderr()).isZero();
    assertThat(json.get("family").getAsString()).isEqualTo(family);
    assertThat(json.get("layout").getAsString()).isEqualTo(layout);
    assertThat(json.get("runs").getAsBoolean()).isTrue();
    assertThat(json.getAsJsonObject("sizes").get("text.hidden_size").getAsInt()).isPositive();
    JsonObject memory = json.getAsJsonObject("memoryBytes");
    assertThat(memory.get("weightsFloat32").getAsLong())
        .isGreaterThan(memory.get("weightsBfloat16").getAsLong());
    for (String integers : List.of("weightsInt8", "weightsInt4")) {
      assertThat(memory.get(integers).getAsLong())
          .isPositive()
          .isLessThan(memory.get("weightsBfloat16").getAsLong());
    }
  }

  @Test
  void listsTensorsThatAreMissing() throws IOException {
    copy(Cli.TINY);
    Path config = folder.resolve("config.json");
    String json = Files.readString(config);
    Files.writeString(
        config,
        json.replaceFirst("(\"model_type\": \"llama\",[^}]*\"num_hidden_layers\": )2", "$13"));

    Cli run = Cli.run("inspect", folder);

    assertThat(run.exitCode()).isEqualTo(1);
    assertThat(run.text())
        .contains("model.language_model.layers.2.self_attn.q_proj.weight [64, 64]")
        .contains("The tensors do not fit the config.");
  }

  @Test
  void listsTheTensorsOfASingleFileAndOfAnUnknownFamily() throws IOException {
    Cli file = Cli.run("inspect", Cli.TINY.resolve("model.safetensors"), "--json");
    copy(Cli.TINY);
    Path config = folder.resolve("config.json");
    Files.writeString(config, "{\"model_type\": \"llava\"}");
    Cli llava = Cli.run("inspect", folder, "--json");

    for (Map.Entry<Cli, String> run : Map.of(file, "unknown", llava, "llava").entrySet()) {
      JsonObject json = run.getKey().json();
      assertThat(run.getKey().exitCode()).isEqualTo(1);
      assertThat(json.get("family").getAsString()).isEqualTo(run.getValue());
      assertThat(json.get("parameters").getAsLong()).isEqualTo(416_145);
      assertThat(json.get("runs").getAsBoolean()).isFalse();
    }
  }

  @Test
  void tellsWhatEveryNumberFormatNeeds() {
    Cli run = Cli.run("inspect");

    assertThat(run.exitCode()).as(run.stderr()).isZero();
    assertThat(run.text())
        .containsPattern("memory +float32 +bfloat16 +int8 +int4\\R")
        .containsPattern("weights +(?:[\\d,.]+ MB +){3}[\\d,.]+ MB\\R")
        .containsPattern("cache of a full context +(?:[\\d,.]+ MB +){3}[\\d,.]+ MB\\R");
  }

  @ParameterizedTest
  @EnumSource
  void saysWhatADemoIs(Demo demo) {
    Cli run = Cli.run("inspect", "--demo", demo, "--json");

    assertThat(run.exitCode()).as(run.stderr()).isZero();
    assertThat(run.json().get("family").getAsString()).isEqualTo(demo.toString());
    assertThat(run.json().get("runs").getAsBoolean()).isTrue();
  }

  @Test
  void aMadeCheckpointFits() {
    Path made = folder.resolve("made");

    Cli make = Cli.run("bench", "make", "--shape", "tiny", "--tokenizer", Cli.TINY, made);
    Cli inspect = Cli.run("inspect", made);
    Cli draw = Cli.run("draw", "a", "-o", folder.resolve("a.png"), "--model", made);

    assertThat(make.exitCode()).as(make.stderr()).isZero();
    assertThat(inspect.exitCode()).as(inspect.text() + inspect.stderr()).isZero();
    assertThat(draw.exitCode()).as(draw.stderr()).isZero();
  }

  /** Ends with 3 when a native library was loaded. */
  static final class Inspector {
    private Inspector() {}

    public static void main(String[] args) throws IOException {
      int exitCode = Main.run(Console.ofProcess(), "inspect", args[0]);
      Path maps = Path.of("/proc/self/maps");
      boolean loaded =
          Files.exists(maps) && Files.readString(maps).matches("(?s).*(libtorch|onnxruntime).*");
      System.exit(loaded ? 3 : exitCode);
    }
  }

  @Test
  void loadsNoNativeLibrary() {
    ForkedJvm.Result child = ForkedJvm.of(Inspector.class).arguments(Cli.TINY).run();

    assertThat(child.exitCode()).as(child.output()).isZero();
  }

  private void copy(Path checkpoint) throws IOException {
    try (Stream<Path> files = Files.list(checkpoint)) {
      for (Path file : files.toList()) {
        Files.copy(file, folder.resolve(file.getFileName()));
      }
    }
  }
}
