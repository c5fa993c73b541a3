package dev.diptych.models.janus;

import dev.diptych.core.engine.OnnxExport;
import dev.diptych.core.engine.OnnxGraph;
import dev.diptych.core.engine.OnnxWeights;
import dev.diptych.core.engine.WeightLoader;
import dev.diptych.core.vq.VqConfig;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.CheckpointSummary;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.core.weights.Weights;
import dev.diptych.decoders.VqImageDecoder;
import dev.diptych.models.deepseek.LlamaSizes;
import dev.diptych.tokenizers.VqImageTokenizer;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;

/** What can be done with a Janus checkpoint without loading it into libtorch. */
public final class JanusCheckpoint {
  // The longest prompt that is common; a drawing's cache also holds its own tokens.
  private static final int PROMPT_TOKENS = 64;

  private JanusCheckpoint() {}

  /**
   * Says what a checkpoint is.
   *
   * @param checkpoint its tensors, opened
   * @param json its config.json
   * @throws dev.diptych.core.CheckpointException if config.json or the VQ coder is wrong
   */
  public static CheckpointSummary summary(Checkpoint checkpoint, JsonMap json) {
    JanusConfig config = JanusConfig.read(json, checkpoint);
    Weights weights = Weights.of(checkpoint);
    Map<String, WeightLoader.Slice> slices = JanusWeights.bind(weights, config);
    String prefix = config.vqPrefix(checkpoint);
    VqConfig vq = config.vq(checkpoint, prefix);
    VqImageTokenizer.bind(vq, weights.at(prefix));
    VqImageDecoder.bind(vq, weights.at(prefix));
    long decoder =
        VqImageDecoder.graph(vq).weights().stream().mapToLong(OnnxGraph.Weight::bytes).sum();
    long drawing = 2L * (config.imageTokens() + PROMPT_TOKENS);
    long context = config.text().maxPositionEmbeddings();
    CheckpointSummary.Memory memory =
        CheckpointSummary.Memory.of(
            dtype -> WeightLoader.bytes(slices, dtype, JanusTransformer::quantises) + decoder,
            bytes -> cacheBytes(config, drawing, bytes),
            bytes -> cacheBytes(config, context, bytes));
    return CheckpointSummary.of(checkpoint, json.string("model_type"))
        .with(
            config.layout() == JanusConfig.Layout.HF ? "HF-native" : "original (deepseek-ai)",
            sizes(config),
            weights.report(),
            memory,
            step(config));
  }

  /** The embeddings are left out: a step reads one row of them. */
  private static CheckpointSummary.Step step(JanusConfig config) {
    LlamaSizes c = config.text();
    JanusConfig.Generation g = config.generation();
    long d = c.hiddenSize();
    long q = (long) c.numAttentionHeads() * c.headDim();
    long kv = (long) c.numKeyValueHeads() * c.headDim();
    long layer = 2 * d * q + 2 * d * kv + 3 * d * c.intermediateSize() + 2 * d;
    long layers = c.numHiddenLayers() * layer + d;
    long head = d * g.imageTokenEmbedDim() + (long) g.imageTokenEmbedDim() * g.numEmbeddings();
    long aligner = (long) g.embedDim() * d + g.alignerHiddenLayers() * d * d;
    return new CheckpointSummary.Step(
        layers + head + aligner,
        layers + (long) c.vocabSize() * d,
        2L * c.numHiddenLayers() * kv,
        CheckpointSummary.Contexts.EQUAL);
  }

  /**
   * Writes the VQ encoder, pixels to codes.
   *
   * @param file the ONNX file, replaced if it exists
   * @return the files that were written
   */
  public static List<Path> exportVqEncoder(Checkpoint checkpoint, JsonMap json, Path file) {
    return export(checkpoint, json, VqImageTokenizer::graph, file);
  }

  /**
   * Writes the VQ decoder, codes to pixels.
   *
   * @param file the ONNX file, replaced if it exists
   * @return the files that were written
   */
  public static List<Path> exportVqDecoder(Checkpoint checkpoint, JsonMap json, Path file) {
    return export(checkpoint, json, VqImageDecoder::graph, file);
  }

  private static List<Path> export(
      Checkpoint checkpoint, JsonMap json, Function<VqConfig, OnnxGraph> graph, Path file) {
    JanusConfig config = JanusConfig.read(json, checkpoint);
    String prefix = config.vqPrefix(checkpoint);
    VqConfig vq = config.vq(checkpoint, prefix);
    return OnnxExport.write(graph.apply(vq), OnnxWeights.of(checkpoint, prefix), file);
  }

  private static long cacheBytes(JanusConfig config, long positions, int bytes) {
    LlamaSizes c = config.text();
    return 2L * c.numHiddenLayers() * c.numKeyValueHeads() * c.headDim() * positions * bytes;
  }

  private static Map<String, String> sizes(JanusConfig config) {
    LlamaSizes text = config.text();
    JanusConfig.Vision vision = config.vision();
    JanusConfig.Generation generation = config.generation();
    Map<String, String> sizes = new LinkedHashMap<>();
    put(sizes, "text.vocab_size", text.vocabSize());
    put(sizes, "text.hidden_size", text.hiddenSize());
    put(sizes, "text.intermediate_size", text.intermediateSize());
    put(sizes, "text.num_hidden_layers", text.numHiddenLayers());
    put(sizes, "text.num_attention_heads", text.numAttentionHeads());
    put(sizes, "text.num_key_value_heads", text.numKeyValueHeads());
    put(sizes, "text.max_position_embeddings", text.maxPositionEmbeddings());
    put(sizes, "vision.image_size", vision.imageSize());
    put(sizes, "vision.patch_size", vision.patchSize());
    put(sizes, "vision.hidden_size", vision.hiddenSize());
    put(sizes, "vision.num_hidden_layers", vision.numHiddenLayers());
    put(sizes, "image.tokens", config.imageTokens());
    put(sizes, "image.codebook_entries", generation.numEmbeddings());
    put(sizes, "image.code_width", generation.embedDim());
    return sizes;
  }

  private static void put(Map<String, String> sizes, String name, int value) {
    sizes.put(name, String.format(Locale.ROOT, "%d", value));
  }
}
