package dev.diptych.models.bagel;

import dev.diptych.core.engine.OnnxExport;
import dev.diptych.core.engine.OnnxGraph;
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
import java.util.function.BiFunction;

/** What can be done with a BAGEL checkpoint without loading it into libtorch. */
public final class BagelCheckpoint {
  // Guidance by words compares the prompt with nothing.
  private static final int PROMPT_TOKENS = 64;

  private BagelCheckpoint() {}

  /** {@return whether a folder without config.json is of this family: by the files that are there} */
  public static boolean isWithoutConfig(Path folder) {
    return BagelFiles.isWithoutConfig(folder);
  }

  /**
   * Says what a checkpoint is.
   *
   * @throws dev.diptych.core.CheckpointException if its files are wrong
   */
  public static CheckpointSummary summary(Path folder) {
    try (BagelFiles files = BagelFiles.open(folder)) {
      BagelConfig config = files.config();
      Weights weights = Weights.of(files.checkpoint());
      Map<String, WeightLoader.Slice> slices = BagelWeights.bind(weights, config);
      long coder = LatentCoder.bytes(files.checkpoint(), BagelFiles.VAE, config.vae());
      DecoderConfig c = BagelWeights.decoder(config);
      long drawing = 2 * patches(config) + PROMPT_TOKENS;
      CheckpointSummary.Memory memory =
          CheckpointSummary.Memory.of(
              dtype -> WeightLoader.bytes(slices, dtype, DecoderWeights::quantises) + coder,
              bytes -> c.cacheBytes(drawing, bytes),
              bytes -> c.cacheBytes(c.maxPositionEmbeddings(), bytes));
      return CheckpointSummary.of(files.checkpoint(), BagelFiles.MODEL_TYPE)
          .with("published", sizes(config), weights.report(), memory, step(config));
    }
  }

  /** Rows of a picture whose size nobody names. */
  private static long patches(BagelConfig config) {
    return (long) config.maxLatentSize() * config.maxLatentSize() + 2;
  }

  /** The embeddings are left out: a step reads one row of them. */
  private static CheckpointSummary.Step step(BagelConfig config) {
    DecoderConfig c = BagelWeights.decoder(config);
    long d = c.hiddenSize();
    long q = (long) c.numAttentionHeads() * c.headDim();
    long kv = (long) c.numKeyValueHeads() * c.headDim();
    long layers =
        c.numHiddenLayers() * (2 * d * q + 2 * d * kv + 3 * d * c.intermediateSize() + 2 * d) + d;
    // Two tokens of every picture go through the weights of words.
    long heads = 2L * d * config.latentWidth() + d * BagelWeights.TIME_FREQUENCIES + d * d;
    return new CheckpointSummary.Step(
        2 * layers + heads,
        layers + c.vocabSize() * d,
        2L * c.numHiddenLayers() * kv,
        CheckpointSummary.Contexts.FULL_AND_EMPTY);
  }

  private static Map<String, String> sizes(BagelConfig config) {
    BagelConfig.Text text = config.text();
    BagelConfig.Vision vision = config.vision();
    Map<String, String> sizes = new LinkedHashMap<>();
    put(sizes, "text.vocab_size", text.vocabSize());
    put(sizes, "text.hidden_size", text.hiddenSize());
    put(sizes, "text.intermediate_size", text.intermediateSize());
    put(sizes, "text.num_hidden_layers", text.numHiddenLayers());
    put(sizes, "text.num_attention_heads", text.numAttentionHeads());
    put(sizes, "text.num_key_value_heads", text.numKeyValueHeads());
    put(sizes, "text.max_position_embeddings", text.maxPositionEmbeddings());
    put(sizes, "vision.image_size", config.maxVisionPatches() * vision.patchSize());
    put(sizes, "vision.patch_size", vision.patchSize());
    put(sizes, "vision.hidden_size", vision.hiddenSize());
    put(sizes, "vision.num_hidden_layers", vision.numHiddenLayers());
    put(sizes, "image.size", config.maxImageSide());
    put(sizes, "image.tokens", patches(config) - 2);
    put(sizes, "image.latent_channels", config.vae().latentChannels());
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
    return export(folder, VaeImageEncoder::graph, file);
  }

  /**
   * Writes the decoder that turns latents into pixels.
   *
   * @param file the ONNX file, replaced if it exists
   * @return the files that were written
   */
  public static List<Path> exportVqDecoder(Path folder, Path file) {
    return export(folder, VaeImageDecoder::graph, file);
  }

  private static List<Path> export(
      Path folder, BiFunction<VaeConfig, VaeLayout, OnnxGraph> graph, Path file) {
    try (BagelFiles files = BagelFiles.open(folder)) {
      VaeLayout layout = VaeLayout.of(files.checkpoint(), BagelFiles.VAE);
      return OnnxExport.write(
          graph.apply(files.config().vae(), layout),
          OnnxWeights.of(files.checkpoint(), BagelFiles.VAE),
          file);
    }
  }
}
