package dev.diptych.models.deepseek;

import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.nn.RopeTable;
import dev.diptych.core.weights.JsonMap;
import java.util.List;

/**
 * The sizes of a Llama. Keys that sparse files leave out have the defaults of transformers' {@code
 * LlamaConfig} (huggingface/transformers v5.18.0).
 *
 * @param vocabSize V
 * @param hiddenSize D
 * @param intermediateSize F
 * @param numHiddenLayers L
 * @param numAttentionHeads H
 * @param numKeyValueHeads G, a divisor of H
 * @param headDim K, even
 * @param maxPositionEmbeddings longest sequence
 * @param rmsNormEps added to the mean square
 * @param ropeTheta base of the rotary angles
 * @param attentionBias whether the attention's projections have biases
 * @param mlpBias whether the MLP's projections have biases
 */
public record LlamaSizes(
    int vocabSize,
    int hiddenSize,
    int intermediateSize,
    int numHiddenLayers,
    int numAttentionHeads,
    int numKeyValueHeads,
    int headDim,
    int maxPositionEmbeddings,
    double rmsNormEps,
    double ropeTheta,
    boolean attentionBias,
    boolean mlpBias) {

  /**
   * Reads a {@code LlamaConfig}.
   *
   * @throws dev.diptych.core.CheckpointException if a value is out of range
   * @throws UnsupportedModelException if it has a part that is not known
   */
  public static LlamaSizes read(JsonMap json) {
    int hidden = json.integerOr("hidden_size", 4096, 1, 1 << 20);
    int heads = json.integerOr("num_attention_heads", 32, 1, 1 << 16);
    int kvHeads = json.integerOr("num_key_value_heads", heads, 1, 1 << 16);
    if (!json.has("head_dim") && hidden % heads != 0) {
      throw json.refuse("hidden_size", "a multiple of num_attention_heads " + heads);
    }
    int headDim = json.integerOr("head_dim", hidden / heads, 2, 1 << 16);
    if (heads % kvHeads != 0) {
      throw json.refuse(
          "num_key_value_heads", "a divisor of num_attention_heads " + heads);
    }
    if (headDim % 2 != 0) {
      throw json.refuse("head_dim", "an even number, for rotary positions");
    }
    if (!json.stringOr("hidden_act", "silu").equals("silu")) {
      throw unsupported(json, "hidden_act", json.string("hidden_act"), "silu");
    }
    return new LlamaSizes(
        json.integerOr("vocab_size", 32000, 1, 1 << 24),
        hidden,
        json.integerOr("intermediate_size", 11008, 1, 1 << 22),
        json.integerOr("num_hidden_layers", 32, 1, 4096),
        heads,
        kvHeads,
        headDim,
        json.integerOr("max_position_embeddings", 2048, 1, 1 << 24),
        json.numberOr("rms_norm_eps", 1e-6, 1e-12, 1),
        ropeTheta(json),
        json.boolOr("attention_bias", false),
        json.boolOr("mlp_bias", false));
  }

  /** {@return the table by which it turns queries and keys} */
  public RopeTable rope() {
    return new RopeTable(maxPositionEmbeddings, headDim);
  }

  private static double ropeTheta(JsonMap json) {
    for (String key : List.of("rope_scaling", "rope_parameters")) {
      if (json.has(key) && json.kind(key) == JsonMap.Kind.OBJECT) {
        JsonMap rope = json.object(key);
        String type = rope.stringOr("rope_type", rope.stringOr("type", "default"));
        if (!type.equals("default")) {
          throw unsupported(rope, "rope_type", type, "default");
        }
        if (rope.has("rope_theta")) {
          return rope.number("rope_theta", 1, 1e12);
        }
      }
    }
    return json.numberOr("rope_theta", 10000, 1, 1e12);
  }

  private static UnsupportedModelException unsupported(
      JsonMap json, String key, String found, String expected) {
    return new UnsupportedModelException(
        json + ": " + key + " is " + found + "; this library runs " + expected);
  }
}
