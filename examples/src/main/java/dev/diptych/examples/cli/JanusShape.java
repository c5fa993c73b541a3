package dev.diptych.examples.cli;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * The sizes of a Janus and the tensors that follow from them, in the HF-native layout. The figures
 * are those of the published config.json files.
 */
record JanusShape(
    int vocab, int hidden, int intermediate, int layers, int heads, Vision vision, Vq vq) {

  private static final int CODE_WIDTH = 8;

  /** The vision tower. */
  record Vision(int imageSize, int patchSize, int hidden, int layers, int heads) {
    int patches() {
      return (imageSize / patchSize) * (imageSize / patchSize);
    }
  }

  /** The VQ coder. */
  record Vq(int codes, int channels, List<Integer> multiplier, int resBlocks, int latent) {}

  private static final Vision SIGLIP_L = new Vision(384, 16, 1024, 24, 16);
  private static final Vq VQ_16 = new Vq(16384, 128, List.of(1, 1, 2, 2, 4), 2, 256);

  /** {@return the shapes that are known, by name} */
  static Map<String, JanusShape> all() {
    Map<String, JanusShape> shapes = new LinkedHashMap<>();
    shapes.put("janus-pro-1b", new JanusShape(102400, 2048, 5632, 24, 16, SIGLIP_L, VQ_16));
    shapes.put("janus-pro-7b", new JanusShape(102400, 4096, 11008, 30, 32, SIGLIP_L, VQ_16));
    shapes.put(
        "tiny",
        new JanusShape(
            512,
            64,
            128,
            2,
            4,
            new Vision(32, 8, 48, 2, 3),
            new Vq(64, 32, List.of(1, 1, 1, 1), 1, 32)));
    return shapes;
  }

  /** {@return every tensor with its shape, in file order} */
  Map<String, long[]> tensors() {
    Tensors t = new Tensors();
    vision(t);
    mlp(t, "model.aligner.", vision.hidden);
    vq(t);
    t.add("model.generation_embeddings.weight", vq.codes, CODE_WIDTH);
    mlp(t, "model.generation_aligner.", CODE_WIDTH);
    t.linear("model.generation_head.proj_out", hidden, hidden);
    t.linear("model.generation_head.vision_head", vq.codes, hidden);
    String p = "model.language_model.";
    t.add(p + "embed_tokens.weight", vocab, hidden);
    for (int i = 0; i < layers; i++) {
      String layer = p + "layers." + i + ".";
      t.add(layer + "input_layernorm.weight", hidden);
      for (String name : List.of("q_proj", "k_proj", "v_proj", "o_proj")) {
        t.add(layer + "self_attn." + name + ".weight", hidden, hidden);
      }
      t.add(layer + "post_attention_layernorm.weight", hidden);
      t.add(layer + "mlp.gate_proj.weight", intermediate, hidden);
      t.add(layer + "mlp.up_proj.weight", intermediate, hidden);
      t.add(layer + "mlp.down_proj.weight", hidden, intermediate);
    }
    t.add(p + "norm.weight", hidden);
    t.add("lm_head.weight", vocab, hidden);
    return t.shapes;
  }

  private void vision(Tensors t) {
    String p = "model.vision_model.";
    int d = vision.hidden;
    t.add(p + "embeddings.patch_embedding.weight", d, 3, vision.patchSize, vision.patchSize);
    t.add(p + "embeddings.patch_embedding.bias", d);
    t.add(p + "embeddings.position_embedding.weight", vision.patches(), d);
    for (int i = 0; i < vision.layers; i++) {
      String layer = p + "encoder.layers." + i + ".";
      t.norm(layer + "layer_norm1", d);
      for (String name : List.of("q_proj", "k_proj", "v_proj", "projection_layer")) {
        t.linear(layer + "self_attn." + name, d, d);
      }
      t.norm(layer + "layer_norm2", d);
      t.linear(layer + "mlp.fc1", 4L * d, d);
      t.linear(layer + "mlp.fc2", d, 4L * d);
    }
    t.norm(p + "post_layernorm", d);
  }

  private void mlp(Tensors t, String p, long inputs) {
    t.linear(p + "fc1", hidden, inputs);
    t.linear(p + "hidden_layers.0", hidden, hidden);
  }

  private void vq(Tensors t) {
    String p = "model.vqmodel.";
    int last = vq.multiplier.size() - 1;
    long top = (long) vq.channels * vq.multiplier.get(last);
    t.conv(p + "encoder.conv_in", vq.channels, 3, 3);
    long channels = vq.channels;
    for (int level = 0; level <= last; level++) {
      String name = p + "encoder.down." + level + ".";
      channels = level(t, name, channels, level, vq.resBlocks);
      if (level < last) {
        t.conv(name + "downsample.conv", channels, channels, 3);
      }
    }
    middle(t, p + "encoder.", top);
    t.norm(p + "encoder.norm_out", top);
    t.conv(p + "encoder.conv_out", vq.latent, top, 3);
    t.conv(p + "quant_conv", CODE_WIDTH, vq.latent, 1);
    t.add(p + "quantize.embedding.weight", vq.codes, CODE_WIDTH);
    t.conv(p + "post_quant_conv", vq.latent, CODE_WIDTH, 1);
    t.conv(p + "decoder.conv_in", top, vq.latent, 3);
    middle(t, p + "decoder.", top);
    channels = top;
    for (int i = 0; i <= last; i++) {
      String name = p + "decoder.up." + i + ".";
      channels = level(t, name, channels, last - i, vq.resBlocks + 1);
      if (i < last) {
        t.conv(name + "upsample.conv", channels, channels, 3);
      }
    }
    t.norm(p + "decoder.norm_out", channels);
    t.conv(p + "decoder.conv_out", 3, channels, 3);
  }

  private static void middle(Tensors t, String p, long channels) {
    block(t, p + "mid.block_1.", channels, channels);
    attention(t, p + "mid.attn_1.", channels);
    block(t, p + "mid.block_2.", channels, channels);
  }

  /** The smallest level alone has attention. */
  private long level(Tensors t, String p, long inputs, int level, int blocks) {
    long outputs = (long) vq.channels * vq.multiplier.get(level);
    long channels = inputs;
    for (int i = 0; i < blocks; i++) {
      block(t, p + "block." + i + ".", channels, outputs);
      channels = outputs;
      if (level == vq.multiplier.size() - 1) {
        attention(t, p + "attn." + i + ".", channels);
      }
    }
    return channels;
  }

  private static void block(Tensors t, String p, long inputs, long outputs) {
    t.norm(p + "norm1", inputs);
    t.conv(p + "conv1", outputs, inputs, 3);
    t.norm(p + "norm2", outputs);
    t.conv(p + "conv2", outputs, outputs, 3);
    if (inputs != outputs) {
      t.conv(p + "nin_shortcut", outputs, inputs, 1);
    }
  }

  private static void attention(Tensors t, String p, long channels) {
    t.norm(p + "norm", channels);
    for (String name : List.of("q", "k", "v", "proj_out")) {
      t.conv(p + name, channels, channels, 1);
    }
  }

  /** Tensors in the order in which they are added. */
  private static final class Tensors {
    private final Map<String, long[]> shapes = new LinkedHashMap<>();

    void add(String name, long... shape) {
      shapes.put(name, shape);
    }

    void linear(String name, long outputs, long inputs) {
      add(name + ".weight", outputs, inputs);
      add(name + ".bias", outputs);
    }

    void norm(String name, long size) {
      add(name + ".weight", size);
      add(name + ".bias", size);
    }

    void conv(String name, long outputs, long inputs, long kernel) {
      add(name + ".weight", outputs, inputs, kernel, kernel);
      add(name + ".bias", outputs);
    }
  }

  /**
   * {@return config.json}
   *
   * @param tokens ids of the control tokens, by their keys in config.json
   */
  JsonObject config(Map<String, Integer> tokens) {
    JsonObject text = new JsonObject();
    text.addProperty("model_type", "llama");
    text.addProperty("vocab_size", vocab);
    text.addProperty("hidden_size", hidden);
    text.addProperty("intermediate_size", intermediate);
    text.addProperty("num_hidden_layers", layers);
    text.addProperty("num_attention_heads", heads);
    text.addProperty("num_key_value_heads", heads);
    text.addProperty("max_position_embeddings", 16384);
    text.addProperty("rms_norm_eps", 1e-6);
    text.addProperty("rope_theta", 10000.0);
    for (String key : List.of("bos_token_id", "eos_token_id", "pad_token_id")) {
      if (tokens.containsKey(key)) {
        text.addProperty(key, tokens.get(key));
      }
    }
    JsonObject json = new JsonObject();
    JsonArray architectures = new JsonArray();
    architectures.add("JanusForConditionalGeneration");
    json.add("architectures", architectures);
    json.addProperty("model_type", "janus");
    json.addProperty("dtype", "bfloat16");
    json.addProperty("tie_word_embeddings", false);
    json.addProperty("image_token_id", tokens.get("image_token_id"));
    json.add("text_config", text);
    json.add("vision_config", visionConfig());
    json.add("vq_config", vqConfig());
    return json;
  }

  private JsonObject visionConfig() {
    JsonObject json = new JsonObject();
    json.addProperty("model_type", "janus_vision_model");
    json.addProperty("image_size", vision.imageSize);
    json.addProperty("patch_size", vision.patchSize);
    json.addProperty("hidden_size", vision.hidden);
    json.addProperty("num_hidden_layers", vision.layers);
    json.addProperty("num_attention_heads", vision.heads);
    json.addProperty("mlp_ratio", 4.0);
    json.addProperty("depth", 2);
    json.addProperty("num_image_tokens", vision.patches());
    json.addProperty("projection_dim", hidden);
    json.addProperty("attention_bias", true);
    json.addProperty("use_qk_norm", false);
    json.addProperty("layer_norm_eps", 1e-6);
    return json;
  }

  private JsonObject vqConfig() {
    JsonObject json = new JsonObject();
    json.addProperty("model_type", "janus_vqgan");
    json.addProperty("base_channels", vq.channels);
    JsonArray multiplier = new JsonArray();
    vq.multiplier.forEach(multiplier::add);
    json.add("channel_multiplier", multiplier);
    json.addProperty("num_res_blocks", vq.resBlocks);
    json.addProperty("latent_channels", vq.latent);
    json.addProperty("embed_dim", CODE_WIDTH);
    json.addProperty("num_embeddings", vq.codes);
    json.addProperty("num_patches", vision.imageSize / vision.patchSize);
    json.addProperty("image_token_embed_dim", hidden);
    json.addProperty("projection_dim", hidden);
    json.addProperty("num_hidden_layers", 2);
    json.addProperty("double_latent", false);
    return json;
  }

  @Override
  public String toString() {
    long parameters =
        tensors().values().stream()
            .mapToLong(s -> Arrays.stream(s).reduce(1, Math::multiplyExact))
            .sum();
    return String.format(
        Locale.ROOT, "%,d parameters, %,.1f MB in bfloat16", parameters, 2 * parameters / 1e6);
  }
}
