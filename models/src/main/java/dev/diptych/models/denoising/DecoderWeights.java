package dev.diptych.models.denoising;

import dev.diptych.core.engine.WeightLoader.Slice;
import dev.diptych.core.weights.Weights;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/**
 * Binds the decoder's tensors, each with its shape, in the order of the layers. The scripts know the
 * names of HF Llama, {@code model.layers.0.self_attn.q_proj.weight}, and for pictures {@code
 * model.layers.0.self_attn.q_proj_image.weight}; what a file calls them is the family's to say.
 */
public final class DecoderWeights {
  private final Weights weights;
  private final DecoderConfig config;
  private final UnaryOperator<String> stored;
  private final Map<String, Slice> slices = new LinkedHashMap<>();

  private DecoderWeights(Weights weights, DecoderConfig config, UnaryOperator<String> stored) {
    this.weights = weights;
    this.config = config;
    this.stored = stored;
  }

  /**
   * Asks for every tensor of the decoder.
   *
   * @param stored gives the file's name of a tensor by the scripts' name
   * @return where each is found, by the scripts' names; the family adds its own
   */
  public static Map<String, Slice> bind(
      Weights weights, DecoderConfig config, UnaryOperator<String> stored) {
    DecoderWeights binding = new DecoderWeights(weights, config, stored);
    binding.all();
    return binding.slices;
  }

  /** {@return whether a tensor of this name is quantised where the dtype says so} */
  public static boolean quantises(String name) {
    return name.startsWith("model.layers.")
        && (name.endsWith("_proj.weight") || name.endsWith("_proj_image.weight"));
  }

  private void all() {
    long d = config.hiddenSize();
    List<String> branches = config.separate() ? List.of("", "_image") : List.of("");
    bind("model.embed_tokens.weight", config.vocabSize(), d);
    for (int i = 0; i < config.numHiddenLayers(); i++) {
      for (String branch : branches) {
        layer("model.layers." + i + ".", branch);
      }
    }
    branches.forEach(branch -> bind("model.norm" + branch + ".weight", d));
    if (config.tied()) {
      // Some files repeat the table.
      weights.ignore(stored.apply("lm_head.weight"), "tied: the embedding table");
    } else {
      bind("lm_head.weight", config.vocabSize(), d);
    }
    weights.ignore("*rotary_emb.inv_freq", "recomputed from rope_theta");
  }

  private void layer(String layer, String branch) {
    long d = config.hiddenSize();
    long f = config.intermediateSize();
    long q = (long) config.numAttentionHeads() * config.headDim();
    long kv = (long) config.numKeyValueHeads() * config.headDim();
    String attention = layer + "self_attn.";
    bind(layer + "input_layernorm" + branch + ".weight", d);
    projection(attention + "q_proj" + branch, q, d);
    projection(attention + "k_proj" + branch, kv, d);
    projection(attention + "v_proj" + branch, kv, d);
    if (config.qkNorm()) {
      bind(attention + "q_norm" + branch + ".weight", config.headDim());
      bind(attention + "k_norm" + branch + ".weight", config.headDim());
    }
    bind(attention + "o_proj" + branch + ".weight", d, q);
    bind(layer + "post_attention_layernorm" + branch + ".weight", d);
    String mlp = layer + "mlp" + branch + ".";
    bind(mlp + "gate_proj.weight", f, d);
    bind(mlp + "up_proj.weight", f, d);
    bind(mlp + "down_proj.weight", d, f);
  }

  private void projection(String name, long rows, long columns) {
    bind(name + ".weight", rows, columns);
    if (config.qkvBias()) {
      bind(name + ".bias", rows);
    }
  }

  private void bind(String name, long... shape) {
    slices.put(name, Slice.of(weights.require(stored.apply(name), shape)));
  }
}
