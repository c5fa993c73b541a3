package dev.diptych.models.janus;

import dev.diptych.core.engine.WeightLoader.Slice;
import dev.diptych.core.weights.Weights;
import dev.diptych.models.deepseek.LlamaSizes;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Binds the transformer's tensors, each with its shape, in the order of the checkpoint. The script
 * knows the names of the HF-native layout; this is the one place where the original layout's names
 * are turned into them.
 */
final class JanusWeights {
  private final Weights weights;
  private final JanusConfig config;
  private final Map<String, Slice> slices = new LinkedHashMap<>();

  private JanusWeights(Weights weights, JanusConfig config) {
    this.weights = weights;
    this.config = config;
  }

  /** {@return where every tensor that the script asks for is found} */
  static Map<String, Slice> bind(Weights weights, JanusConfig config) {
    JanusWeights binding = new JanusWeights(weights, config);
    binding.vision();
    binding.aligner();
    binding.generation();
    binding.languageModel();
    return binding.slices;
  }

  private boolean hf() {
    return config.layout() == JanusConfig.Layout.HF;
  }

  private void vision() {
    JanusConfig.Vision c = config.vision();
    String p = "model.vision_model.";
    String out = "projection_layer";
    if (!hf()) {
      c.timm().bind(weights, JanusConfig.TOWER, p, out, slices);
      return;
    }
    long d = c.hiddenSize();
    long f = c.intermediateSize();
    long patch = c.patchSize();
    bind(p + "embeddings.patch_embedding.weight", "", d, 3, patch, patch);
    bind(p + "embeddings.patch_embedding.bias", "", d);
    bind(p + "embeddings.position_embedding.weight", "", c.patches(), d);
    for (int i = 0; i < c.numHiddenLayers(); i++) {
      String layer = p + "encoder.layers." + i + ".";
      norm(layer + "layer_norm1", d);
      for (String name : List.of("q_proj", "k_proj", "v_proj")) {
        bind(layer + "self_attn." + name + ".weight", "", d, d);
        if (c.attentionBias()) {
          bind(layer + "self_attn." + name + ".bias", "", d);
        }
      }
      linear(layer + "self_attn." + out, "", d, d);
      norm(layer + "layer_norm2", d);
      linear(layer + "mlp.fc1", "", f, d);
      linear(layer + "mlp.fc2", "", d, f);
    }
    norm(p + "post_layernorm", d);
    weights.ignore(p + "embeddings.position_ids", "0 to P-1, known without it");
  }

  private void aligner() {
    mlp(
        "model.aligner.",
        "aligner.layers.",
        config.vision().hiddenSize(),
        config.vision().alignerHiddenLayers());
  }

  private void generation() {
    JanusConfig.Generation sizes = config.generation();
    long d = config.text().hiddenSize();
    long head = sizes.imageTokenEmbedDim();
    bind("model.generation_embeddings.weight", "gen_embed.weight", sizes.numEmbeddings(), sizes.embedDim());
    mlp("model.generation_aligner.", "gen_aligner.layers.", sizes.embedDim(), sizes.alignerHiddenLayers());
    linear("model.generation_head.proj_out", "gen_head.output_mlp_projector", head, d);
    linear("model.generation_head.vision_head", "gen_head.vision_head", sizes.numEmbeddings(), head);
  }

  /** A linear, then {@code hidden} times GELU and a linear. */
  private void mlp(String p, String original, long inputs, int hidden) {
    long d = config.text().hiddenSize();
    linear(p + "fc1", original + "0", d, inputs);
    for (int i = 0; i < hidden; i++) {
      linear(p + "hidden_layers." + i, original + 2 * (i + 1), d, d);
    }
  }

  private void languageModel() {
    LlamaSizes c = config.text();
    long d = c.hiddenSize();
    long f = c.intermediateSize();
    long q = (long) c.numAttentionHeads() * c.headDim();
    long kv = (long) c.numKeyValueHeads() * c.headDim();
    String p = "model.language_model.";
    String original = "language_model.model.";
    bind(p + "embed_tokens.weight", original + "embed_tokens.weight", c.vocabSize(), d);
    for (int i = 0; i < c.numHiddenLayers(); i++) {
      String layer = "layers." + i + ".";
      String attn = layer + "self_attn.";
      bind(p + layer + "input_layernorm.weight", original + layer + "input_layernorm.weight", d);
      text(attn + "q_proj", c.attentionBias(), q, d);
      text(attn + "k_proj", c.attentionBias(), kv, d);
      text(attn + "v_proj", c.attentionBias(), kv, d);
      text(attn + "o_proj", c.attentionBias(), d, q);
      String after = layer + "post_attention_layernorm.weight";
      bind(p + after, original + after, d);
      text(layer + "mlp.gate_proj", c.mlpBias(), f, d);
      text(layer + "mlp.up_proj", c.mlpBias(), f, d);
      text(layer + "mlp.down_proj", c.mlpBias(), d, f);
    }
    bind(p + "norm.weight", original + "norm.weight", d);
    if (weights.has(hf() ? "lm_head.weight" : "language_model.lm_head.weight")) {
      bind("lm_head.weight", "language_model.lm_head.weight", c.vocabSize(), d);
    }
    weights.ignore("*rotary_emb.inv_freq", "recomputed from rope_theta");
  }

  private void text(String name, boolean bias, long outputs, long inputs) {
    String hf = "model.language_model." + name;
    String original = "language_model.model." + name;
    bind(hf + ".weight", original + ".weight", outputs, inputs);
    if (bias) {
      bind(hf + ".bias", original + ".bias", outputs);
    }
  }

  private void norm(String hf, long d) {
    bind(hf + ".weight", "", d);
    bind(hf + ".bias", "", d);
  }

  private void linear(String hf, String original, long outputs, long inputs) {
    bind(hf + ".weight", original + ".weight", outputs, inputs);
    bind(hf + ".bias", original + ".bias", outputs);
  }

  private void bind(String hf, String original, long... shape) {
    slices.put(hf, Slice.of(weights.require(hf() ? name(hf) : original, shape)));
  }

  /** transformers before 5 wrote the HF-native names without the leading {@code model.}. */
  private String name(String hf) {
    String bare = hf.startsWith("model.") ? hf.substring("model.".length()) : hf;
    return !weights.has(hf) && weights.has(bare) ? bare : hf;
  }
}
