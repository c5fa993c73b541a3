package dev.diptych.models.emu3;

import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.JsonMap;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** The files of a checkpoint folder. */
final class Emu3Files implements AutoCloseable {
  // config.json and tokenizer_config.json each list the 184,622 tokens of the vocabulary.
  private static final long LIMIT = 64 << 20;

  private final Path folder;
  private final Checkpoint checkpoint;
  private final Emu3Config config;
  private final JsonMap generationConfig;

  private Emu3Files(Path folder, Checkpoint checkpoint) {
    this.folder = folder;
    this.checkpoint = checkpoint;
    this.config = Emu3Config.read(JsonMap.read(folder.resolve("config.json"), LIMIT));
    this.generationConfig = optional("generation_config.json");
  }

  /**
   * Opens a folder.
   *
   * @throws dev.diptych.core.CheckpointException if its files are wrong
   * @throws dev.diptych.core.UnsupportedModelException if it is no Emu3
   */
  static Emu3Files open(Path folder) {
    Checkpoint checkpoint = Checkpoint.open(folder);
    try {
      return new Emu3Files(folder, checkpoint);
    } catch (RuntimeException | Error e) {
      checkpoint.close();
      throw e;
    }
  }

  String name() {
    return folder.toAbsolutePath().normalize().getFileName().toString();
  }

  Checkpoint checkpoint() {
    return checkpoint;
  }

  Emu3Config config() {
    return config;
  }

  JsonMap generationConfig() {
    return generationConfig;
  }

  JsonMap tokenizerConfig() {
    return optional("tokenizer_config.json");
  }

  /** {@return how pictures are prepared, also where transformers 5 writes it} */
  JsonMap imageConfig() {
    JsonMap processor = optional("processor_config.json");
    return !Files.exists(folder.resolve("preprocessor_config.json"))
            && processor.kind("image_processor") == JsonMap.Kind.OBJECT
        ? processor.object("image_processor")
        : optional("preprocessor_config.json");
  }

  /** {@return what is taken from every colour before it is encoded} */
  double[] imageMean() {
    return colours("image_mean", new double[] {0.48145466, 0.4578275, 0.40821073});
  }

  /** {@return what every colour is divided by then} */
  double[] imageStd() {
    return colours("image_std", new double[] {0.26862954, 0.26130258, 0.27577711});
  }

  /** CLIP's where the file has none, as in the reference's class. */
  private double[] colours(String key, double[] orElse) {
    JsonMap json = imageConfig();
    return json.has(key)
        ? json.numbers(key, -1e6, 1e6).stream().mapToDouble(Double::doubleValue).toArray()
        : orElse;
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
