package dev.diptych.models.janusflow;

import dev.diptych.core.LoadOptions;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.engine.OnnxExport;
import dev.diptych.core.engine.OnnxWeights;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.WeightLoader;
import dev.diptych.core.vae.VaeLayout;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.CheckpointSummary;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.core.weights.Weights;
import dev.diptych.decoders.VaeImageDecoder;
import dev.diptych.models.denoising.DecoderConfig;
import dev.diptych.models.denoising.DecoderWeights;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** What can be done with a JanusFlow checkpoint without loading it into libtorch. */
public final class JanusFlowCheckpoint {
  private static final long CONFIG_LIMIT = 1 << 20;
  // The prompt and its unconditional twin.
  private static final int CONTEXTS = 2;
  private static final int PROMPT_TOKENS = 64;

  private JanusFlowCheckpoint() {}

  /** {@return whether a config.json is JanusFlow's} */
  public static boolean isOne(JsonMap json) {
    return JanusFlowConfig.isOne(json);
  }

  /**
   * Says what a checkpoint is.
   *
   * @param folder with its config.json
   * @throws dev.diptych.core.CheckpointException if its files are wrong
   */
  public static CheckpointSummary summary(Path folder) {
    try (Scope scope = new Scope()) {
      Checkpoint checkpoint = scope.add(Checkpoint.open(folder));
      JanusFlowConfig config = read(folder, checkpoint);
      Weights weights = Weights.of(checkpoint);
      Map<String, WeightLoader.Slice> slices = JanusFlowWeights.bind(weights, config);
      Optional<JanusFlowCoder> coder = coder(folder, config, scope);
      long decoder = coder.map(JanusFlowCoder::bytes).orElse(0L);
      DecoderConfig c = config.decoder();
      long drawing = CONTEXTS * (1L + config.tokens()) + PROMPT_TOKENS;
      CheckpointSummary.Memory memory =
          CheckpointSummary.Memory.of(
              dtype -> WeightLoader.bytes(slices, dtype, DecoderWeights::quantises) + decoder,
              bytes -> c.cacheBytes(drawing, bytes),
              bytes -> c.cacheBytes(c.maxPositionEmbeddings(), bytes));
      return CheckpointSummary.of(checkpoint, "janusflow")
          .with(
              "original (deepseek-ai), " + (coder.isPresent() ? "with" : "without") + " a VAE",
              sizes(config),
              weights.report(),
              memory,
              step(config));
    }
  }

  private static JanusFlowConfig read(Path folder, Checkpoint checkpoint) {
    return JanusFlowConfig.read(
        JsonMap.read(folder.resolve("config.json"), CONFIG_LIMIT), checkpoint);
  }

  private static Optional<JanusFlowCoder> coder(
      Path folder, JanusFlowConfig config, Scope scope) {
    return JanusFlowCoder.find(
        folder, LoadOptions.DEFAULT, config.encoder().inputChannels(), scope);
  }

  /** The convolutional networks are small beside the layers, and left out. */
  private static CheckpointSummary.Step step(JanusFlowConfig config) {
    DecoderConfig c = config.decoder();
    long d = c.hiddenSize();
    long q = (long) c.numAttentionHeads() * c.headDim();
    long kv = (long) c.numKeyValueHeads() * c.headDim();
    long layers =
        c.numHiddenLayers() * (2 * d * q + 2 * d * kv + 3 * d * c.intermediateSize() + 2 * d) + d;
    return new CheckpointSummary.Step(
        layers,
        layers + c.vocabSize() * d,
        2L * c.numHiddenLayers() * kv,
        CheckpointSummary.Contexts.FULL_AND_EMPTY);
  }

  private static Map<String, String> sizes(JanusFlowConfig config) {
    DecoderConfig c = config.decoder();
    Map<String, String> sizes = new LinkedHashMap<>();
    put(sizes, "text.vocab_size", c.vocabSize());
    put(sizes, "text.hidden_size", c.hiddenSize());
    put(sizes, "text.intermediate_size", c.intermediateSize());
    put(sizes, "text.num_hidden_layers", c.numHiddenLayers());
    put(sizes, "text.num_attention_heads", c.numAttentionHeads());
    put(sizes, "text.num_key_value_heads", c.numKeyValueHeads());
    put(sizes, "text.max_position_embeddings", c.maxPositionEmbeddings());
    put(sizes, "vision.image_size", config.vision().imageSize());
    put(sizes, "vision.patch_size", config.vision().patchSize());
    put(sizes, "vision.hidden_size", config.vision().hiddenSize());
    put(sizes, "vision.num_hidden_layers", config.vision().numHiddenLayers());
    put(sizes, "image.tokens", config.tokens());
    put(sizes, "image.latent_channels", config.encoder().inputChannels());
    put(sizes, "image.latent_size", config.latentSize());
    return sizes;
  }

  private static void put(Map<String, String> sizes, String name, long value) {
    sizes.put(name, String.format(Locale.ROOT, "%d", value));
  }

  /**
   * Refuses: JanusFlow reads pictures by SigLIP and makes no latents of them.
   *
   * @throws UnsupportedModelException always
   */
  public static List<Path> exportVqEncoder(Path folder, Path file) {
    throw new UnsupportedModelException(
        "JanusFlow has no encoder that makes latents of pictures: it reads them by SigLIP\n  in "
            + folder);
  }

  /**
   * Writes the decoder that turns latents into pixels.
   *
   * @param file the ONNX file, replaced if it exists
   * @return the files that were written
   * @throws UnsupportedModelException if there is no VAE in the folder or beside it
   */
  public static List<Path> exportVqDecoder(Path folder, Path file) {
    try (Scope scope = new Scope()) {
      Checkpoint checkpoint = scope.add(Checkpoint.open(folder));
      JanusFlowCoder coder =
          coder(folder, read(folder, checkpoint), scope)
              .orElseThrow(
                  () ->
                      new UnsupportedModelException(
                          "There is no VAE with this JanusFlow\n  expected stabilityai/sdxl-vae as"
                              + " the folder vae in " + folder + " or beside it"));
      Checkpoint vae = coder.checkpoint().orElseThrow();
      return OnnxExport.write(
          VaeImageDecoder.graph(coder.config(), VaeLayout.of(vae, "")),
          OnnxWeights.of(vae, ""),
          file);
    }
  }
}
