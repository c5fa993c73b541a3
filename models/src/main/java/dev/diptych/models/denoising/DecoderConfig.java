package dev.diptych.models.denoising;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.nn.RopeTable;

/**
 * The sizes of a decoder of words and pictures: a Llama or a Qwen2, with one set of weights or with
 * two.
 *
 * @param vocabSize V, rows of the embedding table and of the output head
 * @param hiddenSize D
 * @param intermediateSize F, width of the SwiGLU
 * @param numHiddenLayers L
 * @param numAttentionHeads H
 * @param numKeyValueHeads G, a divisor of H
 * @param headDim K, even
 * @param rmsNormEps added to the mean square, above 0
 * @param ropeTheta base of the rotary angles, above 0
 * @param maxPositionEmbeddings longest sequence
 * @param tied whether the output head is the embedding table
 * @param qkvBias whether queries, keys and values have biases
 * @param qkNorm whether queries and keys pass an RMSNorm over K before they are turned
 * @param separate whether rows of pictures have weights of their own, whose modules end in {@code
 *     _image}
 */
public record DecoderConfig(
    int vocabSize,
    int hiddenSize,
    int intermediateSize,
    int numHiddenLayers,
    int numAttentionHeads,
    int numKeyValueHeads,
    int headDim,
    double rmsNormEps,
    double ropeTheta,
    int maxPositionEmbeddings,
    boolean tied,
    boolean qkvBias,
    boolean qkNorm,
    boolean separate) {

  private static final int MAX = 1 << 24;

  /**
   * Checks every size.
   *
   * @throws CheckpointException if one is out of range
   */
  public DecoderConfig {
    within("vocab_size", vocabSize, MAX);
    within("hidden_size", hiddenSize, 1 << 20);
    within("intermediate_size", intermediateSize, MAX);
    within("num_hidden_layers", numHiddenLayers, 1024);
    within("num_attention_heads", numAttentionHeads, 1 << 16);
    require(
        "num_key_value_heads",
        numKeyValueHeads,
        numKeyValueHeads >= 1 && numAttentionHeads % numKeyValueHeads == 0,
        "a divisor of num_attention_heads " + numAttentionHeads);
    require(
        "head_dim",
        headDim,
        headDim >= 2 && headDim % 2 == 0 && headDim <= 1 << 16,
        "an even number from 2 to 65536");
    require("rms_norm_eps", rmsNormEps, rmsNormEps > 0 && rmsNormEps < 1, "above 0 and below 1");
    require("rope_theta", ropeTheta, ropeTheta > 0 && ropeTheta < 1e12, "above 0 and below 1e12");
    within("max_position_embeddings", maxPositionEmbeddings, MAX);
  }

  /** {@return the table by which it turns queries and keys} */
  public RopeTable rope() {
    return new RopeTable(maxPositionEmbeddings, headDim);
  }

  /** {@return bytes of keys and values of all layers for so many positions} */
  public long cacheBytes(long positions, int bytesPerNumber) {
    long each = 2L * numHiddenLayers * numKeyValueHeads * headDim * bytesPerNumber;
    return Math.multiplyExact(positions, each);
  }

  /**
   * {@return bytes of work that so many rows take while they are computed together: what a layer holds
   * at once of rows, the SwiGLU, queries and what attention makes of them}
   */
  public long workBytes(long rows, int bytesPerNumber) {
    long widest = 4L * hiddenSize + 2L * intermediateSize + 2L * numAttentionHeads * headDim;
    return Math.multiplyExact(rows, widest * bytesPerNumber);
  }

  private static void within(String name, int found, int most) {
    require(name, found, found >= 1 && found <= most, "1 to " + most);
  }

  private static void require(String name, Number found, boolean ok, String expected) {
    if (!ok) {
      throw new CheckpointException(
          "No language model has such a "
              + name
              + "\n  expected "
              + expected
              + "\n  found    "
              + found
              + " in the config.json of the language model\n  Is it whole, and of this checkpoint?");
    }
  }
}
