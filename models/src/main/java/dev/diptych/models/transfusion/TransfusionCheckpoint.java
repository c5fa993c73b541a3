package dev.diptych.models.transfusion;

import dev.diptych.core.engine.OnnxExport;
import dev.diptych.core.engine.OnnxWeights;
import dev.diptych.core.engine.WeightLoader;
import dev.diptych.core.vae.VaeConfig;
import dev.diptych.core.vae.VaeLayout;
import dev.diptych.core.weights.CheckpointSummary;
import dev.diptych.core.weights.Weights;
import dev.diptych.decoders.VaeImageDecoder;
import dev.diptych.models.denoising.DecoderConfig;
import dev.diptych.models.denoising.DecoderWeights;
import dev.diptych.models.denoising.LatentCoder;
import dev.diptych.tokenizers.VaeImageEncoder;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** What can be done with a checkpoint without loading it into libtorch. */
public final class TransfusionCheckpoint {
  // The conversation, its pictures alone, and nothing.
  private static final int CONTEXTS = 3;
  private static final int PROMPT_TOKENS = 64;

  private TransfusionCheckpoint() {}

  /**
   * Says what a checkpoint is.
   *
   * @throws dev.diptych.core.CheckpointException if its files are wrong
   */
  public static CheckpointSummary summary(Path folder) {
    try (TransfusionFiles files = TransfusionFiles.open(folder)) {
      TransfusionConfig config = files.config();
      Weights weights = Weights.of(files.checkpoint());
      Map<String, WeightLoader.Slice> slices = TransfusionWeights.bind(weights, config);
      LatentCoder.bind(weights, TransfusionFiles.CODER, files.vae());
      long coder =
          LatentCoder.bytes(files.checkpoint(), TransfusionFiles.CODER, files.vae());
      DecoderConfig c = config.decoder();
      long drawing = CONTEXTS * ((long) config.patches() + PROMPT_TOKENS);
      CheckpointSummary.Memory memory =
          CheckpointSummary.Memory.of(
              dtype -> WeightLoader.bytes(slices, dtype, DecoderWeights::quantises) + coder,
              bytes -> c.cacheBytes(drawing, bytes),
              bytes -> c.cacheBytes(c.maxPositionEmbeddings(), bytes));
      return CheckpointSummary.of(files.checkpoint(), config.modelType())
          .with(layout(config), sizes(config, files.vae()), weights.report(), memory, step(config));
    }
  }

  private static String layout(TransfusionConfig config) {
    return "of this library, patches by "
        + (config.unet().isPresent() ? "the blocks of a U-Net" : "one matrix");
  }

  private static CheckpointSummary.Step step(TransfusionConfig config) {
    DecoderConfig c = config.decoder();
    long d = c.hiddenSize();
    long q = (long) c.numAttentionHeads() * c.headDim();
    long kv = (long) c.numKeyValueHeads() * c.headDim();
    long layers =
        c.numHiddenLayers() * (2 * d * q + 2 * d * kv + 3 * d * c.intermediateSize() + 2 * d) + d;
    long patch = (long) config.latentChannels() * config.patchSize() * config.patchSize();
    return new CheckpointSummary.Step(
        layers + 2 * patch * d,
        layers + c.vocabSize() * d,
        2L * c.numHiddenLayers() * kv,
        CheckpointSummary.Contexts.FULL_PICTURES_AND_EMPTY);
  }

  private static Map<String, String> sizes(TransfusionConfig config, VaeConfig vae) {
    DecoderConfig c = config.decoder();
    Map<String, String> sizes = new LinkedHashMap<>();
    put(sizes, "text.vocab_size", c.vocabSize());
    put(sizes, "text.hidden_size", c.hiddenSize());
    put(sizes, "text.intermediate_size", c.intermediateSize());
    put(sizes, "text.num_hidden_layers", c.numHiddenLayers());
    put(sizes, "text.num_attention_heads", c.numAttentionHeads());
    put(sizes, "text.num_key_value_heads", c.numKeyValueHeads());
    put(sizes, "text.max_position_embeddings", c.maxPositionEmbeddings());
    put(sizes, "image.tokens", config.patches());
    put(sizes, "image.resolution", config.latentSize() * vae.patchSize());
    put(sizes, "image.latent_channels", config.latentChannels());
    put(sizes, "image.latent_size", config.latentSize());
    put(sizes, "image.patch_size", config.patchSize());
    config
        .vision()
        .ifPresent(
            vision -> {
              put(sizes, "vision.image_size", vision.imageSize());
              put(sizes, "vision.patch_size", vision.patchSize());
              put(sizes, "vision.hidden_size", vision.hiddenSize());
              put(sizes, "vision.num_hidden_layers", vision.numHiddenLayers());
            });
    return sizes;
  }

  private static void put(Map<String, String> sizes, String name, long value) {
    sizes.put(name, String.format(Locale.ROOT, "%d", value));
  }

  /**
   * Writes the encoder that turns pixels into the moments of latents.
   *
   * @param file the ONNX file, replaced if it exists
   * @return the files that were written
   */
  public static List<Path> exportVqEncoder(Path folder, Path file) {
    try (TransfusionFiles files = TransfusionFiles.open(folder)) {
      return OnnxExport.write(
          VaeImageEncoder.graph(files.vae(), coderLayout(files)), coder(files), file);
    }
  }

  /**
   * Writes the decoder that turns latents into pixels.
   *
   * @param file the ONNX file, replaced if it exists
   * @return the files that were written
   */
  public static List<Path> exportVqDecoder(Path folder, Path file) {
    try (TransfusionFiles files = TransfusionFiles.open(folder)) {
      return OnnxExport.write(
          VaeImageDecoder.graph(files.vae(), coderLayout(files)), coder(files), file);
    }
  }

  private static VaeLayout coderLayout(TransfusionFiles files) {
    return VaeLayout.of(files.checkpoint(), TransfusionFiles.CODER);
  }

  private static OnnxWeights coder(TransfusionFiles files) {
    return OnnxWeights.of(files.checkpoint(), TransfusionFiles.CODER);
  }
}
