package dev.diptych.models.emu3;

import dev.diptych.core.engine.WeightLoader.Slice;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.Weights;
import dev.diptych.models.discrete.TransformerConfig;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Binds the language model's tensors, each with its shape, in the order of the checkpoint. The
 * script of all discrete models knows the names of a bare Llama; this is the one place where those
 * of {@code Emu3ForConditionalGeneration} are turned into them: of transformers 5, {@code
 * model.text_model.layers.0}, and of 4.4x, which the published folders have, {@code
 * text_model.model.layers.0}.
 */
final class Emu3Weights {
  private final Weights weights;
  private final String prefix;
  private final Map<String, Slice> slices = new LinkedHashMap<>();

  private Emu3Weights(Weights weights, String prefix) {
    this.weights = weights;
    this.prefix = prefix;
  }

  /** {@return where every tensor that the script asks for is found} */
  static Map<String, Slice> bind(Weights weights, Emu3Config config) {
    boolean old = weights.has("text_model.model.embed_tokens.weight");
    String prefix = old ? "text_model.model." : "model.text_model.";
    Emu3Weights binding = new Emu3Weights(weights, prefix);
    binding.layers(config.transformer());
    binding.head(config, old ? "text_model.lm_head.weight" : "lm_head.weight");
    weights.ignore("*rotary_emb.inv_freq", "recomputed from rope_theta");
    return binding.slices;
  }

  /** {@return what stands before the picture coder's tensor names, its last dot included} */
  static String coderPrefix(Checkpoint checkpoint) {
    boolean old = checkpoint.names().contains("vqmodel.quantize.embedding.weight");
    return old ? "vqmodel." : "model.vqmodel.";
  }

  private void layers(TransformerConfig c) {
    long d = c.hiddenSize();
    long f = c.intermediateSize();
    long q = (long) c.numAttentionHeads() * c.headDim();
    long kv = (long) c.numKeyValueHeads() * c.headDim();
    bind("embed_tokens.weight", c.vocabSize(), d);
    for (int i = 0; i < c.numHiddenLayers(); i++) {
      String layer = "layers." + i + ".";
      bind(layer + "input_layernorm.weight", d);
      bind(layer + "self_attn.q_proj.weight", q, d);
      bind(layer + "self_attn.k_proj.weight", kv, d);
      bind(layer + "self_attn.v_proj.weight", kv, d);
      bind(layer + "self_attn.o_proj.weight", d, q);
      bind(layer + "post_attention_layernorm.weight", d);
      bind(layer + "mlp.gate_proj.weight", f, d);
      bind(layer + "mlp.up_proj.weight", f, d);
      bind(layer + "mlp.down_proj.weight", d, f);
    }
    bind("norm.weight", d);
  }

  /** A tied head is the embedding table, whether the file repeats it or not. */
  private void head(Emu3Config config, String name) {
    if (config.tied()) {
      weights.ignore(name, "tied: the embedding table");
      return;
    }
    TransformerConfig c = config.transformer();
    slices.put("lm_head.weight", Slice.of(weights.require(name, c.vocabSize(), c.hiddenSize())));
  }

  private void bind(String name, long... shape) {
    slices.put("model." + name, Slice.of(weights.require(prefix + name, shape)));
  }
}
