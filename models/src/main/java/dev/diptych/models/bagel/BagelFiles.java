package dev.diptych.models.bagel;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.JsonMap;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/** The files of ByteDance-Seed/BAGEL-7B-MoT. */
final class BagelFiles implements AutoCloseable {
  static final String MODEL_TYPE = "bagel";
  static final String WEIGHTS_FILE = "ema.safetensors";
  static final String VAE_FILE = "ae.safetensors";

  /** What stands before the names of the picture coder's tensors, which come from another file. */
  static final String VAE = "vae.";

  private static final long LIMIT = 1 << 20;
  private static final String LLM_CONFIG = "llm_config.json";
  private static final String VIT_CONFIG = "vit_config.json";

  private final Path folder;
  private final Checkpoint checkpoint;
  private final BagelConfig config;
  private final JsonMap generationConfig;

  private BagelFiles(Path folder) {
    this.folder = folder;
    JsonMap json = optional("config.json");
    JsonMap llm = JsonMap.read(folder.resolve(LLM_CONFIG), LIMIT);
    JsonMap vit = JsonMap.read(folder.resolve(VIT_CONFIG), LIMIT);
    this.generationConfig = optional("generation_config.json");
    Map<String, Checkpoint> parts = new LinkedHashMap<>();
    try {
      parts.put("", open(WEIGHTS_FILE, "the weights of all but the picture coder"));
      parts.put(VAE, open(VAE_FILE, "the picture coder, FLUX's"));
      this.checkpoint = Checkpoint.join(folder, parts);
      this.config = BagelConfig.read(json, llm, vit, checkpoint);
    } catch (RuntimeException | Error e) {
      parts.values().forEach(Checkpoint::close);
      throw e;
    }
  }

  private Checkpoint open(String name, String what) {
    Path file = folder.resolve(name);
    if (!Files.isRegularFile(file)) {
      throw new CheckpointException(
          "A file of the BAGEL checkpoint is missing\n  expected "
              + name
              + ", "
              + what
              + "\n  in       "
              + folder
              + "\n  remedy   download all files of ByteDance-Seed/BAGEL-7B-MoT");
    }
    return Checkpoint.openFile(file);
  }

  /**
   * Opens a folder and checks all that needs no tensor's data.
   *
   * @throws CheckpointException if a file is missing or wrong
   * @throws dev.diptych.core.UnsupportedModelException if it is no BAGEL
   */
  static BagelFiles open(Path folder) {
    return new BagelFiles(folder);
  }

  /** {@return whether a folder without config.json is of this family: by the files that are there} */
  static boolean isWithoutConfig(Path folder) {
    return Files.isRegularFile(folder.resolve(LLM_CONFIG))
        && Files.isRegularFile(folder.resolve(VIT_CONFIG));
  }

  Path folder() {
    return folder;
  }

  String name() {
    return folder.toAbsolutePath().normalize().getFileName().toString();
  }

  Checkpoint checkpoint() {
    return checkpoint;
  }

  BagelConfig config() {
    return config;
  }

  JsonMap generationConfig() {
    return generationConfig;
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
