package dev.diptych.models;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.UnifiedModel;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.models.janus.JanusModel;
import java.nio.file.Files;
import java.nio.file.Path;

/** The way in: a folder of a published checkpoint becomes a model. */
public final class Diptych {
  private Diptych() {}

  /** Loads a checkpoint with everything left to the library. */
  public static UnifiedModel load(Path folder) {
    return load(folder, LoadOptions.DEFAULT);
  }

  /**
   * Loads a checkpoint.
   *
   * @param folder as it was published: config.json, weights, tokenizer
   * @throws CheckpointException if the files are wrong
   * @throws UnsupportedModelException if no family of this library fits
   * @throws dev.diptych.core.ResourceLimitException if it cannot fit in memory
   */
  public static UnifiedModel load(Path folder, LoadOptions options) {
    Path config = folder.resolve("config.json");
    if (!Files.isRegularFile(config)) {
      throw new CheckpointException(
          "No checkpoint in "
              + folder
              + "\n  expected config.json beside the weights\n  found    "
              + (Files.isDirectory(folder) ? "a folder without it" : "no such folder"));
    }
    String type = JsonMap.read(config, 1 << 20).stringOr("model_type", "none");
    return switch (type) {
      case "janus", "multi_modality" -> JanusModel.load(folder, options);
      default ->
          throw new UnsupportedModelException(
              "No family of this library runs model_type "
                  + type
                  + "\n  in        "
                  + config
                  + "\n  supported janus, multi_modality");
    };
  }
}
