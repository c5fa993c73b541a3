package dev.diptych.examples.cli;

import com.google.gson.GsonBuilder;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** The sizes of a model, from which a checkpoint with random weights is made. */
interface ModelShape {
  /** {@return the shapes that are known, by name} */
  static Map<String, ModelShape> all() {
    Map<String, ModelShape> shapes = new LinkedHashMap<>(JanusShape.all());
    shapes.putAll(ChameleonShape.all());
    shapes.putAll(TransfusionShape.all());
    return shapes;
  }

  /** {@return every tensor of the model's own file with its shape, in file order} */
  Map<String, long[]> tensors();

  /** {@return the files of weights, and the tensors of each} */
  default Map<String, Map<String, long[]>> weights() {
    return Map.of("model.safetensors", tensors());
  }

  /**
   * Writes every file but the weights.
   *
   * @param tokenizer a checkpoint whose tokenizer is taken
   */
  void writeFiles(Path folder, Optional<Path> tokenizer) throws IOException;

  /** {@return how large the checkpoint is, in words} */
  default String size() {
    long parameters =
        weights().values().stream()
            .flatMap(file -> file.values().stream())
            .mapToLong(s -> Arrays.stream(s).reduce(1, Math::multiplyExact))
            .sum();
    return String.format(
        Locale.ROOT, "%,d parameters, %,.1f MB in bfloat16", parameters, 2 * parameters / 1e6);
  }

  /** Writes a file of a checkpoint's folder. */
  static void write(Path folder, String file, JsonObject json) throws IOException {
    // The names of tokens are full of characters that HTML would want escaped.
    String text =
        new GsonBuilder().setPrettyPrinting().disableHtmlEscaping().create().toJson(json) + "\n";
    Files.writeString(folder.resolve(file), text, StandardCharsets.UTF_8);
  }
}
