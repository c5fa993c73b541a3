package dev.diptych.models.emu3;

import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.engine.OnnxExport;
import dev.diptych.core.engine.OnnxWeights;
import dev.diptych.core.engine.WeightLoader;
import dev.diptych.core.weights.CheckpointSummary;
import dev.diptych.core.weights.Weights;
import dev.diptych.decoders.Emu3ImageDecoder;
import dev.diptych.models.discrete.DiscreteTransformer;
import dev.diptych.models.discrete.TransformerConfig;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** What can be done with an Emu3 checkpoint without loading it into libtorch. */
public final class Emu3Checkpoint {
  // Guidance compares two contexts: the prompt, and the words that are steered away from.
  private static final int CONTEXTS = 2;
  private static final int PROMPT_TOKENS = 64;

  private Emu3Checkpoint() {}

  /**
   * Says what a checkpoint is.
   *
   * @throws dev.diptych.core.CheckpointException if its files are wrong
   */
  public static CheckpointSummary summary(Path folder) {
    try (Emu3Files files = Emu3Files.open(folder)) {
      Emu3Config config = files.config();
      Weights weights = Weights.of(files.checkpoint());
      Map<String, WeightLoader.Slice> slices = Emu3Weights.bind(weights, config);
      Emu3Coder.bind(weights, config.vq());
      long coder = Emu3Coder.bytes(config.vq());
      TransformerConfig c = config.transformer();
      long drawing = CONTEXTS * (pictureTokens(config) + PROMPT_TOKENS);
      CheckpointSummary.Memory memory =
          CheckpointSummary.Memory.of(
              dtype -> WeightLoader.bytes(slices, dtype, DiscreteTransformer::quantises) + coder,
              bytes -> c.cacheBytes(drawing, bytes),
              bytes -> c.cacheBytes(c.maxPositionEmbeddings(), bytes));
      String does = Emu3Variant.of(folder, files.generationConfig()).does();
      return CheckpointSummary.of(files.checkpoint(), "emu3")
          .with("HF-native, " + does, sizes(config), weights.report(), memory, step(config));
    }
  }

  /** Codes and ends of rows of a picture whose size nobody names. */
  private static long pictureTokens(Emu3Config config) {
    int[] grid = Emu3Config.grid(1, 1, config.imageArea(), config.factor());
    return (long) grid[0] * (grid[1] + 1);
  }

  private static CheckpointSummary.Step step(Emu3Config config) {
    TransformerConfig c = config.transformer();
    long d = c.hiddenSize();
    long q = (long) c.numAttentionHeads() * c.headDim();
    long kv = (long) c.numKeyValueHeads() * c.headDim();
    long layers =
        c.numHiddenLayers() * (2 * d * q + 2 * d * kv + 3 * d * c.intermediateSize() + 2 * d) + d;
    // The words that are steered away from are about as many as a prompt's.
    return new CheckpointSummary.Step(
        layers + config.vq().codebookSize() * d,
        layers + c.vocabSize() * d,
        2L * c.numHiddenLayers() * kv,
        CheckpointSummary.Contexts.EQUAL);
  }

  private static Map<String, String> sizes(Emu3Config config) {
    TransformerConfig c = config.transformer();
    Map<String, String> sizes = new LinkedHashMap<>();
    put(sizes, "text.vocab_size", c.vocabSize());
    put(sizes, "text.hidden_size", c.hiddenSize());
    put(sizes, "text.intermediate_size", c.intermediateSize());
    put(sizes, "text.num_hidden_layers", c.numHiddenLayers());
    put(sizes, "text.num_attention_heads", c.numAttentionHeads());
    put(sizes, "text.num_key_value_heads", c.numKeyValueHeads());
    put(sizes, "text.max_position_embeddings", c.maxPositionEmbeddings());
    put(sizes, "image.tokens", pictureTokens(config));
    put(sizes, "image.codebook_entries", config.vq().codebookSize());
    put(sizes, "image.code_width", config.vq().embedDim());
    return sizes;
  }

  private static void put(Map<String, String> sizes, String name, long value) {
    sizes.put(name, String.format(Locale.ROOT, "%d", value));
  }

  /**
   * Refuses: the encoder searches the codebook piece by piece, which is not one graph.
   *
   * @throws UnsupportedModelException always
   */
  public static List<Path> exportVqEncoder(Path folder, Path file) {
    throw new UnsupportedModelException(
        "The picture encoder of Emu3 cannot be written as one ONNX file: its search of the codebook"
            + " runs piece by piece\n  in        "
            + folder
            + "\n  supported the decoder");
  }

  /**
   * Writes the decoder of pictures whose size nobody names.
   *
   * @param file the ONNX file, replaced if it exists
   * @return the files that were written
   * @throws dev.diptych.core.CheckpointException if its files are wrong
   */
  public static List<Path> exportVqDecoder(Path folder, Path file) {
    try (Emu3Files files = Emu3Files.open(folder)) {
      Emu3Config config = files.config();
      int[] grid = Emu3Config.grid(1, 1, config.imageArea(), config.factor());
      return OnnxExport.write(
          Emu3ImageDecoder.graph(config.vq(), grid[0], grid[1]),
          OnnxWeights.of(files.checkpoint(), Emu3Weights.coderPrefix(files.checkpoint())),
          file);
    }
  }
}
