package dev.diptych.models.janusflow;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.engine.OnnxGraph;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.vae.VaeConfig;
import dev.diptych.core.vae.VaeLayout;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.core.weights.Weights;
import dev.diptych.decoders.VaeImageDecoder;
import dev.diptych.core.vae.VaeTiling;
import dev.diptych.models.denoising.LatentCoder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Where the decoder of a drawing's latents is: JanusFlow is published without one and draws with
 * SDXL's (stabilityai/sdxl-vae).
 *
 * @param location folder or file, for messages
 * @param checkpoint its tensors; none where a decoder of the user's stands alone
 * @param config its sizes
 */
record JanusFlowCoder(Path location, Optional<Checkpoint> checkpoint, VaeConfig config) {
  private static final long CONFIG_LIMIT = 1 << 20;
  private static final int SDXL_SIDE = 1024;
  private static final String PUBLISHED = "stabilityai/sdxl-vae";

  /** Names of the weights in a folder of diffusers, the full ones first. */
  private static final List<String> WEIGHTS =
      List.of(
          "diffusion_pytorch_model.safetensors",
          "diffusion_pytorch_model.bin",
          "diffusion_pytorch_model.fp16.safetensors",
          "sdxl_vae.safetensors");

  /** Names of the folder, in a checkpoint or beside it. */
  private static final List<String> FOLDERS = List.of("vae", "sdxl-vae");

  /**
   * Looks for the decoder: where the options say, then in the checkpoint's folder, then beside it. A
   * folder without weights that nobody named is passed over.
   *
   * @param folder of the checkpoint
   * @param channels of latents, which the decoder must take
   * @param scope gets what is opened
   * @return none if there is none
   * @throws CheckpointException if there is one that does not fit
   */
  static Optional<JanusFlowCoder> find(
      Path folder, LoadOptions options, int channels, Scope scope) {
    Optional<Path> location = options.imageCoder().or(() -> beside(folder));
    Optional<JanusFlowCoder> found = location.map(l -> open(l, scope));
    if (found.isEmpty()) {
      found = options.imageDecoder().map(JanusFlowCoder::exported);
    }
    found.ifPresent(
        coder ->
            LatentCoder.requireChannels(
                coder.config, channels, "input_channels of vision_gen_enc_config"));
    return found;
  }

  private static Optional<Path> beside(Path folder) {
    return folders(folder).filter(f -> weights(f).isPresent()).findFirst();
  }

  private static Stream<Path> folders(Path folder) {
    Path parent = folder.toAbsolutePath().normalize().getParent();
    return Stream.of(folder, parent)
        .filter(f -> f != null)
        .flatMap(f -> FOLDERS.stream().map(f::resolve))
        .filter(Files::isDirectory);
  }

  private static Optional<Path> weights(Path folder) {
    return WEIGHTS.stream().map(folder::resolve).filter(Files::isRegularFile).findFirst();
  }

  /** {@return what a checkpoint without a decoder needs before it can draw, and what was found} */
  static String lacking(Path folder) {
    return "a VAE that decodes what is drawn\n  expected "
        + PUBLISHED
        + " in the folder "
        + FOLDERS.get(0)
        + " of "
        + folder
        + " or beside it, or named by LoadOptions.withImageCoder\n  found    "
        + folders(folder)
            .findFirst()
            .map(f -> "no weights in " + f + ", such as " + WEIGHTS.get(0))
            .orElse("no such folder");
  }

  private static JanusFlowCoder open(Path location, Scope scope) {
    Path file = location;
    if (!Files.isRegularFile(location)) {
      file =
          weights(location)
              .orElseThrow(
                  () ->
                      new CheckpointException(
                          "There is no picture decoder in " + location
                              + "\n  expected a folder with config.json and "
                              + WEIGHTS.get(0) + ", or a file of weights\n  found    "
                              + (Files.isDirectory(location) ? "no weights" : "nothing there")));
    }
    Checkpoint checkpoint = scope.add(Checkpoint.openFile(file));
    Path json = file.resolveSibling("config.json");
    VaeConfig config =
        Files.isRegularFile(json)
            ? VaeConfig.read(JsonMap.read(json, CONFIG_LIMIT))
            : VaeConfig.infer(checkpoint, "", SDXL_SIDE, VaeConfig.SDXL_SCALING, 0);
    Weights weights = Weights.of(checkpoint);
    VaeImageDecoder.bind(config, VaeLayout.of(checkpoint, ""), weights);
    weights.ignore("encoder.*", "JanusFlow makes no latents of pictures");
    weights.ignore("quant_conv.*", "JanusFlow makes no latents of pictures");
    weights.done();
    return new JanusFlowCoder(location, Optional.of(checkpoint), config);
  }

  private static JanusFlowCoder exported(Path onnx) {
    Path json = onnx.toAbsolutePath().resolveSibling("config.json");
    if (!Files.isRegularFile(json)) {
      throw new CheckpointException(
          "Cannot tell how the latents of " + onnx + " are scaled\n  expected config.json beside it,"
              + " or the folder it was exported from as imageCoder\n  found    neither");
    }
    return new JanusFlowCoder(
        onnx, Optional.empty(), VaeConfig.read(JsonMap.read(json, CONFIG_LIMIT)));
  }

  /** {@return bytes that the decoder takes when it is loaded} */
  long bytes() {
    return checkpoint
        .map(c -> VaeImageDecoder.graph(config, VaeLayout.of(c, "")))
        .map(g -> g.weights().stream().mapToLong(OnnxGraph.Weight::bytes).sum())
        .orElse(0L);
  }

  /**
   * {@return the decoder, of which nothing is loaded before it draws unless it is the user's}
   *
   * @param exported a decoder of the user's
   * @param tiling when pictures are decoded in tiles
   */
  LatentCoder coder(Optional<Path> exported, VaeTiling tiling) {
    return new LatentCoder(
        checkpoint.orElse(null), "", config, VaeImageDecoder.Rounding.TRUNCATE, exported, tiling);
  }
}
