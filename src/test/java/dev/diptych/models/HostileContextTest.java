package dev.diptych.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.diptych.core.CheckpointException;
import dev.diptych.core.DType;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.ResourceLimitException;
import dev.diptych.core.engine.Value;
import dev.diptych.testing.Golden;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A config.json whose context no memory holds is refused before its table of positions is made. */
class HostileContextTest {
  private static final int POSITIONS = 1 << 20;
  private static final long LIMIT = 20_000_000;

  @TempDir private Path parent;

  @ParameterizedTest
  @CsvSource({
    "bagel/checkpoint, llm_config.json",
    "transfusion/linear, config.json",
    "janusflow/checkpoint, config.json",
    "monoformer/published, ema/config.json",
    "janus/hf/checkpoint, config.json",
    "janus/original/janus-pro-1b/checkpoint, config.json",
    "chameleon/hf/checkpoint, config.json",
    "emu3/checkpoint, config.json"
  })
  void aContextThatNoMemoryHoldsIsRefused(String name, String file) throws IOException {
    Path folder = copy(Golden.folder(name), parent.resolve("model"));
    LoadOptions options =
        LoadOptions.DEFAULT.withDtype(DType.FLOAT32).withMemoryLimit(LIMIT);
    if (name.startsWith("monoformer")) {
      options = options.withImageCoder(Golden.folder("monoformer/vae"));
    }
    LoadOptions limited = options;
    long live = Value.live();

    positions(folder.resolve(file), POSITIONS);
    assertThatThrownBy(() -> Diptych.load(folder, limited).close())
        .isInstanceOfSatisfying(
            ResourceLimitException.class,
            e -> {
              // Cosines and sines of at least two numbers a head.
              assertThat(e.asked()).isGreaterThan(2L * POSITIONS * 2 * Float.BYTES);
              assertThat(e.allowed()).isEqualTo(LIMIT);
            })
        .hasMessageContaining("the table of its " + POSITIONS + " positions");
    positions(folder.resolve(file), Integer.MAX_VALUE);
    assertThatThrownBy(() -> Diptych.load(folder, limited).close())
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("max_position_embeddings");
    assertThat(Value.live()).isEqualTo(live);
  }

  private static Path copy(Path from, Path to) throws IOException {
    try (Stream<Path> files = Files.walk(from)) {
      for (Path file : files.toList()) {
        Path target = to.resolve(from.relativize(file).toString());
        if (Files.isDirectory(file)) {
          Files.createDirectories(target);
        } else {
          Files.copy(file, target);
        }
      }
    }
    return to;
  }

  /** Says how many positions there are, wherever the family says it. */
  private static void positions(Path file, int positions) throws IOException {
    JsonObject json = JsonParser.parseString(Files.readString(file)).getAsJsonObject();
    String key = "max_position_embeddings";
    List<String> parts = List.of("language_config", "text_config");
    JsonObject of =
        parts.stream().filter(json::has).map(json::getAsJsonObject).findFirst().orElse(json);
    assertThat(of.has(key)).isTrue();
    of.addProperty(key, positions);
    Files.writeString(file, json.toString());
  }
}
