package dev.diptych.examples.cli;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The sizes of a Chameleon and the tensors that follow from them, in the HF-native layout and with
 * the decoder of pictures, as leloy/Anole-7b-v0.1-hf has it.
 *
 * @param published whether a checkpoint of these sizes exists
 * @param resolution rows and columns of pixels of one picture
 */
record ChameleonShape(
    boolean published,
    int hidden,
    int intermediate,
    int layers,
    int heads,
    ChameleonTokens tokens,
    VqShape vq,
    int resolution)
    implements ModelShape {

  private static final VqShape VQGAN =
      new VqShape(8192, 256, 128, List.of(1, 1, 2, 2, 4), 2, 256, false, true);
  // The published names: reserved token N has the id N + 4, and 49,152 tokens of text follow.
  private static final ChameleonTokens TOKENS = new ChameleonTokens(65536, 8192, 8194, 16380);

  /** {@return the shapes that are known, by name} */
  static Map<String, ChameleonShape> all() {
    Map<String, ChameleonShape> shapes = new LinkedHashMap<>();
    shapes.put(
        "chameleon-7b", new ChameleonShape(true, 4096, 11008, 32, 32, TOKENS, VQGAN, 512));
    shapes.put(
        "chameleon-1b", new ChameleonShape(false, 2048, 5504, 16, 16, TOKENS, VQGAN, 512));
    shapes.put(
        "chameleon-tiny",
        new ChameleonShape(
            false,
            64,
            128,
            2,
            4,
            new ChameleonTokens(1024, 64, 8705, 8800),
            new VqShape(64, 32, 32, List.of(1, 1, 1, 1), 1, 32, false, true),
            64));
    return shapes;
  }

  @Override
  public Map<String, long[]> tensors() {
    ShapeTensors t = new ShapeTensors();
    t.add("model.embed_tokens.weight", tokens.size(), hidden);
    for (int i = 0; i < layers; i++) {
      String layer = "model.layers." + i + ".";
      t.llamaLayer(layer, hidden, intermediate);
      t.norm(layer + "self_attn.q_norm", heads, hidden / heads);
      t.norm(layer + "self_attn.k_norm", heads, hidden / heads);
    }
    t.add("model.norm.weight", hidden);
    vq.tensors(t, "model.vqmodel.");
    t.add("lm_head.weight", tokens.size(), hidden);
    return t.shapes();
  }

  /** {@inheritDoc} A tokenizer that is given must have the published names in the published size. */
  @Override
  public void writeFiles(Path folder, Optional<Path> tokenizer) throws IOException {
    Map<String, Integer> names = tokens.writeFiles(folder, tokenizer);
    ModelShape.write(folder, "config.json", config(names));
    ModelShape.write(folder, "preprocessor_config.json", imageProcessor());
    JsonObject processor = new JsonObject();
    processor.addProperty("processor_class", "ChameleonProcessor");
    int side = resolution >> (vq.multiplier().size() - 1);
    processor.addProperty("image_seq_length", side * side);
    processor.addProperty("image_token", ChameleonTokens.IMAGE);
    ModelShape.write(folder, "processor_config.json", processor);
  }

  @Override
  public String size() {
    return ModelShape.super.size() + (published ? "" : ", no published size");
  }

  private JsonObject config(Map<String, Integer> names) {
    JsonObject json = new JsonObject();
    JsonArray architectures = new JsonArray();
    architectures.add("ChameleonForConditionalGeneration");
    json.add("architectures", architectures);
    json.addProperty("model_type", "chameleon");
    json.addProperty("dtype", "bfloat16");
    json.addProperty("vocab_size", tokens.size());
    json.addProperty("hidden_size", hidden);
    json.addProperty("intermediate_size", intermediate);
    json.addProperty("num_hidden_layers", layers);
    json.addProperty("num_attention_heads", heads);
    json.addProperty("num_key_value_heads", heads);
    json.addProperty("max_position_embeddings", 4096);
    json.addProperty("rms_norm_eps", 1e-5);
    json.addProperty("rope_theta", 10000.0);
    json.addProperty("hidden_act", "silu");
    json.addProperty("attention_bias", false);
    json.addProperty("mlp_bias", false);
    json.addProperty("model_parallel_size", 1);
    json.addProperty("swin_norm", false);
    json.addProperty("tie_word_embeddings", false);
    json.addProperty("bos_token_id", 0);
    json.addProperty("pad_token_id", 1);
    json.addProperty("eos_token_id", 2);
    JsonObject vqConfig = vq.config("chameleon_vqgan");
    vqConfig.addProperty("resolution", resolution);
    vqConfig.addProperty("in_channels", 3);
    vqConfig.add("attn_resolutions", new JsonArray());
    vqConfig.addProperty("attn_type", "vanilla");
    vqConfig.addProperty("dropout", 0.0);
    json.add("vq_config", vqConfig);
    JsonObject map = new JsonObject();
    names.forEach(map::addProperty);
    json.add("vocabulary_map", map);
    return json;
  }

  private JsonObject imageProcessor() {
    JsonObject json = new JsonObject();
    json.addProperty("image_processor_type", "ChameleonImageProcessor");
    json.addProperty("do_convert_rgb", true);
    json.addProperty("do_resize", true);
    JsonObject size = new JsonObject();
    size.addProperty("shortest_edge", resolution);
    json.add("size", size);
    json.addProperty("resample", 1);
    json.addProperty("do_center_crop", true);
    JsonObject crop = new JsonObject();
    crop.addProperty("height", resolution);
    crop.addProperty("width", resolution);
    json.add("crop_size", crop);
    json.addProperty("do_rescale", true);
    json.addProperty("rescale_factor", 0.0078);
    json.addProperty("do_normalize", true);
    JsonArray ones = new JsonArray();
    for (int i = 0; i < 3; i++) {
      ones.add(1.0);
    }
    json.add("image_mean", ones);
    json.add("image_std", ones);
    return json;
  }
}
