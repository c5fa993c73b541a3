package dev.diptych.models;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.UnifiedModel;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.CheckpointSummary;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.models.janus.JanusCheckpoint;
import dev.diptych.models.janus.JanusModel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** The way in: a folder of a published checkpoint becomes a model. */
public final class Diptych {
  private static final long CONFIG_LIMIT = 1 << 20;
  private static final List<String> FAMILIES = List.of("janus", "multi_modality");

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
    requireFamily(folder);
    return JanusModel.load(folder, options);
  }

  /**
   * Says what a checkpoint is, from its headers alone: no tensor is read, no native library loaded.
   *
   * @param location a checkpoint's folder, or one file of weights
   * @throws CheckpointException if the files are wrong
   */
  public static CheckpointSummary inspect(Path location) {
    if (Files.isRegularFile(location)) {
      try (Checkpoint checkpoint = Checkpoint.openFile(location)) {
        return CheckpointSummary.of(checkpoint, "unknown");
      }
    }
    try (Checkpoint checkpoint = Checkpoint.open(location)) {
      if (!Files.isRegularFile(location.resolve("config.json"))) {
        return CheckpointSummary.of(checkpoint, "unknown");
      }
      JsonMap config = config(location);
      String type = config.stringOr("model_type", "none");
      return switch (type) {
        case "janus", "multi_modality" -> JanusCheckpoint.summary(checkpoint, config);
        default -> CheckpointSummary.of(checkpoint, type);
      };
    }
  }

  /**
   * Writes the encoder that turns pixels into image codes as an ONNX file that needs nothing else.
   *
   * @param folder a checkpoint's folder
   * @param file replaced if it exists
   * @return the files that were written: weights above 1.5 GB go into a second one
   * @throws UnsupportedModelException if the family has no such part
   */
  public static List<Path> exportVqEncoder(Path folder, Path file) {
    JsonMap config = requireFamily(folder);
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      return JanusCheckpoint.exportVqEncoder(checkpoint, config, file);
    }
  }

  /**
   * Writes the decoder that turns image codes into pixels as an ONNX file that needs nothing else.
   *
   * @param folder a checkpoint's folder
   * @param file replaced if it exists
   * @return the files that were written: weights above 1.5 GB go into a second one
   * @throws UnsupportedModelException if the family has no such part
   */
  public static List<Path> exportVqDecoder(Path folder, Path file) {
    JsonMap config = requireFamily(folder);
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      return JanusCheckpoint.exportVqDecoder(checkpoint, config, file);
    }
  }

  /** {@return config.json of a folder whose family is one of ours} */
  private static JsonMap requireFamily(Path folder) {
    JsonMap config = config(folder);
    String type = config.stringOr("model_type", "none");
    if (!FAMILIES.contains(type)) {
      throw new UnsupportedModelException(
          "No family of this library runs model_type "
              + type
              + "\n  in        "
              + folder.resolve("config.json")
              + "\n  supported "
              + String.join(", ", FAMILIES));
    }
    return config;
  }

  private static JsonMap config(Path folder) {
    Path config = folder.resolve("config.json");
    if (!Files.isRegularFile(config)) {
      throw new CheckpointException(
          "No checkpoint in "
              + folder
              + "\n  expected config.json beside the weights\n  found    "
              + (Files.isDirectory(folder) ? "a folder without it" : "no such folder"));
    }
    return JsonMap.read(config, CONFIG_LIMIT);
  }
}
