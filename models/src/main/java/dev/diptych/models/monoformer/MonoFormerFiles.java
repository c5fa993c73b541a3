package dev.diptych.models.monoformer;

import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.JsonMap;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The files of a published folder: config.json and the tokenizer; cfg.json, the configuration of the
 * training; and the weights twice, of which those in {@code ema}, averaged over the training, are
 * taken, as the authors' scripts do. A folder without {@code ema} has its weights beside config.json.
 */
final class MonoFormerFiles implements AutoCloseable {
  private static final long LIMIT = 1 << 20;

  private final Path folder;
  private final boolean averaged;
  private final Checkpoint checkpoint;
  private final MonoFormerConfig config;

  private MonoFormerFiles(Path folder, boolean averaged, Checkpoint checkpoint) {
    this.folder = folder;
    this.averaged = averaged;
    this.checkpoint = checkpoint;
    Path weights = averaged ? folder.resolve("ema") : folder;
    Path own = weights.resolve("config.json");
    this.config =
        MonoFormerConfig.read(
            JsonMap.read(Files.exists(own) ? own : folder.resolve("config.json"), LIMIT));
  }

  /**
   * Opens a folder.
   *
   * @throws dev.diptych.core.CheckpointException if its files are wrong
   * @throws dev.diptych.core.UnsupportedModelException if it is no MonoFormer that can be run
   */
  static MonoFormerFiles open(Path folder) {
    boolean averaged = Files.isDirectory(folder.resolve("ema"));
    Checkpoint checkpoint = Checkpoint.open(averaged ? folder.resolve("ema") : folder);
    try {
      return new MonoFormerFiles(folder, averaged, checkpoint);
    } catch (RuntimeException | Error e) {
      checkpoint.close();
      throw e;
    }
  }

  String name() {
    return folder.toAbsolutePath().normalize().getFileName().toString();
  }

  Path folder() {
    return folder;
  }

  /** {@return whether the weights are those averaged over the training} */
  boolean averaged() {
    return averaged;
  }

  Checkpoint checkpoint() {
    return checkpoint;
  }

  MonoFormerConfig config() {
    return config;
  }

  /** {@return the configuration of the training, empty where there is none} */
  JsonMap training() {
    return optional("cfg.json");
  }

  /** {@return generation_config.json, empty where there is none} */
  JsonMap generationConfig() {
    return optional("generation_config.json");
  }

  private JsonMap optional(String file) {
    return Files.exists(folder.resolve(file))
        ? JsonMap.read(folder.resolve(file), LIMIT)
        : JsonMap.parse(file, "{}".getBytes(StandardCharsets.UTF_8));
  }

  @Override
  public void close() {
    checkpoint.close();
  }
}
