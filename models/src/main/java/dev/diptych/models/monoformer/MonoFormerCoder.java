package dev.diptych.models.monoformer;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.Image;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.engine.OnnxGraph;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.vae.VaeConfig;
import dev.diptych.core.vae.VaeLayout;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.core.weights.Weights;
import dev.diptych.decoders.VaeImageDecoder;
import dev.diptych.models.denoising.LatentCoder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * The KL coder that the latents are of, which is published apart from the model: {@code
 * stabilityai/sd-vae-ft-mse}, in the folder {@code vae} or where {@link LoadOptions#withImageCoder}
 * says. Its decoder is loaded by the first drawing; one of the user's is opened with the model.
 */
final class MonoFormerCoder implements AutoCloseable {
  private static final String CONFIG = "config.json";
  private static final String PUBLISHED = "stabilityai/sd-vae-ft-mse";
  private static final List<String> FILES =
      List.of("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin");
  private static final List<String> PREFIXES = List.of("", "first_stage_model.", "vae.");
  private static final int TRAINED_ON = 256;

  private final VaeConfig config;
  private final VaeLayout layout;
  private final LatentCoder coder;
  private final Scope resources;

  private MonoFormerCoder(
      Checkpoint checkpoint,
      Optional<Path> json,
      LoadOptions options,
      long held,
      Scope resources) {
    this.resources = resources;
    String prefix =
        PREFIXES.stream()
            .filter(p -> checkpoint.names().contains(p + "decoder.conv_in.weight"))
            .findFirst()
            .orElse("");
    this.layout = VaeLayout.of(checkpoint, prefix);
    this.config =
        json.isPresent()
            ? VaeConfig.read(JsonMap.read(json.get(), 1 << 20))
            : VaeConfig.infer(checkpoint, prefix, TRAINED_ON, VaeConfig.SD_SCALING, 0);
    Weights weights = Weights.of(checkpoint);
    VaeImageDecoder.bind(config, layout, weights.at(prefix));
    // The encoder is not read, and a file of Stable Diffusion holds more than the coder.
    weights.ignore("*", "no pictures are read");
    weights.done();
    // As the authors' program makes bytes of pixels.
    VaeImageDecoder.Rounding rounding = VaeImageDecoder.Rounding.TRUNCATE;
    this.coder =
        resources.add(
            new LatentCoder(
                checkpoint,
                prefix,
                config,
                rounding,
                options.imageDecoder(),
                LatentCoder.tiling(config, options.memoryLimit(), held + bytes())));
  }

  /**
   * Opens the coder and compares it with the model.
   *
   * @param held bytes of the options' limit that the model's own weights take
   * @throws CheckpointException if there is none, it is damaged, or its latents are others
   */
  static MonoFormerCoder open(MonoFormerFiles files, LoadOptions options, long held) {
    Path where = options.imageCoder().orElse(files.folder().resolve("vae"));
    Scope resources = new Scope();
    try {
      Checkpoint checkpoint = resources.add(Checkpoint.openFile(file(where, files)));
      Path json = Files.isDirectory(where) ? where.resolve(CONFIG) : where.resolveSibling(CONFIG);
      MonoFormerCoder coder =
          new MonoFormerCoder(
              checkpoint,
              Files.isRegularFile(json) ? Optional.of(json) : Optional.empty(),
              options,
              held,
              resources);
      coder.requireLatents(files.config(), where);
      return coder;
    } catch (RuntimeException | Error e) {
      resources.close();
      throw e;
    }
  }

  private static Path file(Path where, MonoFormerFiles files) {
    if (Files.isRegularFile(where)) {
      return where;
    }
    return FILES.stream()
        .map(where::resolve)
        .filter(Files::isRegularFile)
        .findFirst()
        .orElseThrow(
            () ->
                new CheckpointException(
                    "There is no picture coder for " + files.name() + "\n  expected " + FILES.get(0)
                        + " and " + CONFIG + " of " + PUBLISHED + "\n  found    "
                        + (Files.isDirectory(where) ? "a folder without it, " : "no such folder, ")
                        + where + "\n  remedy   put them there, or say where they are with"
                        + " LoadOptions.withImageCoder"));
  }

  private void requireLatents(MonoFormerConfig model, Path where) {
    if (config.latentChannels() != model.inChannels()
        || config.patchSize() != MonoFormerConfig.FACTOR) {
      throw new CheckpointException(
          "The picture coder is not the model's\n  expected " + model.inChannels()
              + " latent channels, " + MonoFormerConfig.FACTOR + " pixels across a latent\n  found    "
              + config.latentChannels() + " and " + config.patchSize() + " in " + where
              + "\n  remedy   " + PUBLISHED);
    }
  }

  /** {@return bytes that the decoder's weights take} */
  long bytes() {
    return VaeImageDecoder.graph(config, layout).weights().stream()
        .mapToLong(OnnxGraph.Weight::bytes)
        .sum();
  }

  /** {@return bytes of features that decoding a picture takes at least} */
  long leastWork(int side) {
    return coder.leastWork(side, side);
  }

  /**
   * Makes pixels of latents.
   *
   * @param latents [C * y * x] float32, scaled
   * @param side y and x
   * @param step asked while the decoder works; may throw to end it
   */
  Image draw(float[] latents, int side, Runnable step) {
    return coder.draw(latents, side, side, step);
  }

  @Override
  public void close() {
    resources.close();
  }
}
