package dev.diptych.models.chameleon;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.engine.OnnxExport;
import dev.diptych.core.engine.OnnxGraph;
import dev.diptych.core.engine.OnnxWeights;
import dev.diptych.core.engine.WeightLoader;
import dev.diptych.core.vq.VqConfig;
import dev.diptych.core.weights.CheckpointSummary;
import dev.diptych.core.weights.Weights;
import dev.diptych.decoders.VqImageDecoder;
import dev.diptych.models.discrete.DiscreteTransformer;
import dev.diptych.models.discrete.TransformerConfig;
import dev.diptych.tokenizers.VqImageTokenizer;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What can be done with a Chameleon checkpoint without loading it into libtorch. */
public final class ChameleonCheckpoint {
  // Guidance compares three contexts: all, the pictures alone, nothing.
  private static final int CONTEXTS = 3;
  private static final int PROMPT_TOKENS = 64;

  private ChameleonCheckpoint() {}

  /** {@return whether a folder is laid out as Meta publishes Chameleon, and Anole's authors theirs} */
  public static boolean isOfMeta(Path folder) {
    return MetaFolder.isOne(folder);
  }

  /**
   * Says what a checkpoint is.
   *
   * @throws CheckpointException if its files are wrong
   */
  public static CheckpointSummary summary(Path folder) {
    try (ChameleonFiles files = ChameleonFiles.open(folder, LoadOptions.DEFAULT)) {
      Weights weights = Weights.of(files.checkpoint());
      Map<String, WeightLoader.Slice> slices = ChameleonWeights.bind(weights, files);
      TransformerConfig c = files.config().transformer();
      long coder = 0;
      int codes = 0;
      if (files.coderPrefix().isPresent()) {
        VqConfig vq = files.vq();
        codes = vq.numCodes();
        coder = bytes(VqImageTokenizer.graph(vq));
        coder += vq.hasDecoder() ? bytes(VqImageDecoder.graph(vq)) : 0;
      }
      long coderBytes = coder;
      long drawing = CONTEXTS * ((long) codes + PROMPT_TOKENS);
      CheckpointSummary.Memory memory =
          CheckpointSummary.Memory.of(
              dtype ->
                  WeightLoader.bytes(slices, dtype, DiscreteTransformer::quantises) + coderBytes,
              bytes -> c.cacheBytes(drawing, bytes),
              bytes -> c.cacheBytes(c.maxPositionEmbeddings(), bytes));
      return CheckpointSummary.of(files.checkpoint(), "chameleon")
          .with(layout(files), sizes(files, codes), weights.report(), memory, step(files));
    }
  }

  private static long bytes(OnnxGraph graph) {
    return graph.weights().stream().mapToLong(OnnxGraph.Weight::bytes).sum();
  }

  /** With what it can do, which depends on the picture coder that is there. */
  private static String layout(ChameleonFiles files) {
    String layout =
        files.config().layout() == ChameleonConfig.Layout.HF
            ? "HF-native" + (files.config().targetSize().isPresent() ? " (Lumina-mGPT)" : "")
            : "original (Meta)";
    if (files.coderPrefix().isEmpty()) {
      return layout + ", no picture coder: reads and writes text only";
    }
    return files.hasDecoder()
        ? layout
        : layout + ", no picture decoder: reads pictures, writes text only";
  }

  /** A code of a picture is chosen by the codes' rows of the head; the embeddings are left out. */
  private static CheckpointSummary.Step step(ChameleonFiles files) {
    TransformerConfig c = files.config().transformer();
    long d = c.hiddenSize();
    long q = (long) c.numAttentionHeads() * c.headDim();
    long kv = (long) c.numKeyValueHeads() * c.headDim();
    long layer = 2 * d * q + 2 * d * kv + 3 * d * c.intermediateSize() + 2 * d;
    long layers = c.numHiddenLayers() * layer + d;
    return new CheckpointSummary.Step(
        layers + files.vocabulary().imageIds().length * d,
        layers + c.vocabSize() * d,
        2L * c.numHiddenLayers() * kv,
        files.config().family() == ChameleonConfig.Family.LUMINA
            ? CheckpointSummary.Contexts.FULL_AND_EMPTY
            : CheckpointSummary.Contexts.FULL_PICTURES_AND_EMPTY);
  }

  private static Map<String, String> sizes(ChameleonFiles files, int codes) {
    TransformerConfig c = files.config().transformer();
    Map<String, String> sizes = new LinkedHashMap<>();
    put(sizes, "text.vocab_size", c.vocabSize());
    put(sizes, "text.hidden_size", c.hiddenSize());
    put(sizes, "text.intermediate_size", c.intermediateSize());
    put(sizes, "text.num_hidden_layers", c.numHiddenLayers());
    put(sizes, "text.num_attention_heads", c.numAttentionHeads());
    put(sizes, "text.num_key_value_heads", c.numKeyValueHeads());
    put(sizes, "text.max_position_embeddings", c.maxPositionEmbeddings());
    put(sizes, "image.codebook_entries", files.vocabulary().imageIds().length);
    if (codes > 0) {
      put(sizes, "image.tokens", codes);
      put(sizes, "image.resolution", files.vq().imageSize());
    }
    files.config().targetSize().ifPresent(size -> put(sizes, "image.target_size", size));
    return sizes;
  }

  private static void put(Map<String, String> sizes, String name, int value) {
    sizes.put(name, Integer.toString(value));
  }

  /**
   * Writes the VQ encoder, pixels to codes.
   *
   * @param file the ONNX file, replaced if it exists
   * @return the files that were written
   * @throws CheckpointException if the checkpoint has no picture coder
   */
  public static List<Path> exportVqEncoder(Path folder, Path file) {
    try (ChameleonFiles files = ChameleonFiles.open(folder, LoadOptions.DEFAULT)) {
      return export(files, VqImageTokenizer.graph(files.vq()), file);
    }
  }

  /**
   * Writes the VQ decoder, codes to pixels.
   *
   * @param file the ONNX file, replaced if it exists
   * @return the files that were written
   * @throws UnsupportedModelException if the checkpoint has an encoder alone
   */
  public static List<Path> exportVqDecoder(Path folder, Path file) {
    try (ChameleonFiles files = ChameleonFiles.open(folder, LoadOptions.DEFAULT)) {
      VqConfig vq = files.vq();
      if (!vq.hasDecoder()) {
        throw new UnsupportedModelException(
            "There is no picture decoder in " + folder
                + "\n  expected tensors " + files.coderPrefix().orElseThrow() + "decoder.*"
                + "\n  found    an encoder alone, as transformers' conversion leaves it"
                + "\n  Meta's vqgan.ckpt and the folder of a whole ChameleonVQVAE have one");
      }
      return export(files, VqImageDecoder.graph(vq), file);
    }
  }

  private static List<Path> export(ChameleonFiles files, OnnxGraph graph, Path file) {
    OnnxWeights weights = OnnxWeights.of(files.checkpoint(), files.coderPrefix().orElseThrow());
    return OnnxExport.write(graph, weights, file);
  }
}
