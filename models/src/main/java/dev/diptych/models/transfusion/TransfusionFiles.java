package dev.diptych.models.transfusion;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.vae.VaeConfig;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.models.denoising.LatentCoder;
import dev.diptych.models.denoising.SamplerConfig;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The files of a checkpoint folder. All tensors are in one {@link Checkpoint}; the names of the
 * picture coder's, from the folder {@code vae}, begin with {@value #CODER}.
 */
final class TransfusionFiles implements AutoCloseable {
  /** Before the names of the picture coder's tensors. */
  static final String CODER = "vae.";

  private static final String CODER_WEIGHTS = "vae/diffusion_pytorch_model.safetensors";
  private static final long LIMIT = 16 << 20;

  private final Path folder;
  private final TransfusionConfig config;
  private final VaeConfig vae;
  private final SamplerConfig sampler;
  private final JsonMap generationConfig;
  private final Checkpoint checkpoint;

  private TransfusionFiles(Path folder) {
    this.folder = folder;
    this.config = TransfusionConfig.read(JsonMap.read(folder.resolve("config.json"), LIMIT));
    Path coder = folder.resolve(CODER_WEIGHTS);
    if (!Files.isRegularFile(coder)) {
      throw new CheckpointException(
          "There is no picture coder in " + folder + "\n  expected vae/config.json and "
              + CODER_WEIGHTS + "\n  found    no " + CODER_WEIGHTS);
    }
    this.vae = VaeConfig.read(JsonMap.read(folder.resolve("vae/config.json"), LIMIT));
    LatentCoder.requireChannels(vae, config.latentChannels(), "latent_channels");
    Path scheduler = folder.resolve("scheduler/scheduler_config.json");
    this.sampler =
        Files.exists(scheduler)
            ? SamplerConfig.read(JsonMap.read(scheduler, LIMIT))
            : SamplerConfig.cosine();
    Path generation = folder.resolve("generation_config.json");
    this.generationConfig =
        Files.exists(generation)
            ? JsonMap.read(generation, LIMIT)
            : JsonMap.parse("generation_config.json", "{}".getBytes(StandardCharsets.UTF_8));
    Map<String, Checkpoint> parts = new LinkedHashMap<>();
    try {
      parts.put("", Checkpoint.open(folder));
      parts.put(CODER, Checkpoint.openFile(coder));
      this.checkpoint = Checkpoint.join(folder, parts);
    } catch (RuntimeException | Error e) {
      parts.values().forEach(Checkpoint::close);
      throw e;
    }
  }

  /**
   * Opens a folder.
   *
   * @throws CheckpointException if its files are wrong
   * @throws dev.diptych.core.UnsupportedModelException if it is of another family
   */
  static TransfusionFiles open(Path folder) {
    return new TransfusionFiles(folder);
  }

  String name() {
    return folder.toAbsolutePath().normalize().getFileName().toString();
  }

  TransfusionConfig config() {
    return config;
  }

  VaeConfig vae() {
    return vae;
  }

  SamplerConfig sampler() {
    return sampler;
  }

  JsonMap generationConfig() {
    return generationConfig;
  }

  /** {@return how pictures are prepared for the tower, empty where nothing says so} */
  JsonMap preprocessor() {
    Path file = folder.resolve("preprocessor_config.json");
    return Files.exists(file)
        ? JsonMap.read(file, LIMIT)
        : JsonMap.parse("preprocessor_config.json", "{}".getBytes(StandardCharsets.UTF_8));
  }

  Checkpoint checkpoint() {
    return checkpoint;
  }

  @Override
  public void close() {
    checkpoint.close();
  }
}
