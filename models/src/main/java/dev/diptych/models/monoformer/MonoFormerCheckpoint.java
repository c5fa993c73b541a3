package dev.diptych.models.monoformer;

import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.engine.WeightLoader;
import dev.diptych.core.weights.CheckpointSummary;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.core.weights.Weights;
import dev.diptych.models.denoising.DecoderConfig;
import dev.diptych.models.denoising.DecoderWeights;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** What can be done with a MonoFormer checkpoint without loading it into libtorch. */
public final class MonoFormerCheckpoint {
  // Guidance compares the prompt with an empty one.
  private static final int CONTEXTS = 2;
  private static final int PROMPT_TOKENS = 32;

  private MonoFormerCheckpoint() {}

  /** {@return whether a config.json is of a MonoFormer as it is published} */
  public static boolean isOne(JsonMap config) {
    return MonoFormerConfig.isOne(config);
  }

  /**
   * Says what a checkpoint is, without the picture coder, which is published apart.
   *
   * @throws dev.diptych.core.CheckpointException if its files are wrong
   */
  public static CheckpointSummary summary(Path folder) {
    try (MonoFormerFiles files = MonoFormerFiles.open(folder)) {
      MonoFormerConfig config = files.config();
      Weights weights = Weights.of(files.checkpoint());
      Map<String, WeightLoader.Slice> slices = MonoFormerWeights.bind(weights, config);
      DecoderConfig c = config.decoder();
      long drawing = CONTEXTS * (config.layout().rows() + (long) PROMPT_TOKENS);
      CheckpointSummary.Memory memory =
          CheckpointSummary.Memory.of(
              dtype -> WeightLoader.bytes(slices, dtype, DecoderWeights::quantises),
              bytes -> c.cacheBytes(drawing, bytes),
              bytes -> c.cacheBytes(config.contextLength(), bytes));
      return CheckpointSummary.of(files.checkpoint(), "monoformer")
          .with(
              files.averaged() ? "original, averaged weights" : "original",
              sizes(config),
              weights.report(),
              memory,
              step(config));
    }
  }

  /** All rows of a picture go through the layers at every step; a word is only read. */
  private static CheckpointSummary.Step step(MonoFormerConfig config) {
    DecoderConfig c = config.decoder();
    long d = c.hiddenSize();
    long q = (long) c.numAttentionHeads() * c.headDim();
    long kv = (long) c.numKeyValueHeads() * c.headDim();
    long layer = 2 * d * q + 2 * d * kv + 3 * d * c.intermediateSize() + 2 * d;
    long layers = c.numHiddenLayers() * layer + d;
    return new CheckpointSummary.Step(
        layers + d * config.outputSize(),
        layers,
        2L * c.numHiddenLayers() * kv,
        CheckpointSummary.Contexts.FULL_AND_EMPTY);
  }

  private static Map<String, String> sizes(MonoFormerConfig config) {
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
    put(sizes, "image.latent_channels", config.inChannels());
    put(sizes, "image.patch_size", config.patchSize());
    sizes.put(
        "image.time", config.timeEmbedding().toString().toLowerCase(Locale.ROOT));
    return sizes;
  }

  private static void put(Map<String, String> sizes, String name, long value) {
    sizes.put(name, String.format(Locale.ROOT, "%d", value));
  }

  /**
   * Refuses: pictures are latents here and no codes.
   *
   * @throws UnsupportedModelException always
   */
  public static List<Path> refuseCodes(Path folder) {
    throw new UnsupportedModelException(
        "MonoFormer has no codes of pictures: its picture coder is a KL coder, published apart\n  in"
            + "        " + folder);
  }
}
