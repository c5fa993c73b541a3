package dev.diptych.examples.cli;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.diptych.examples.DemoModel;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The sizes of a Janus and the tensors that follow from them, in the HF-native layout. The figures
 * are those of the published config.json files.
 */
record JanusShape(
    int vocab, int hidden, int intermediate, int layers, int heads, Vision vision, VqShape vq)
    implements ModelShape {

  private static final int CODE_WIDTH = 8;
  private static final List<String> TOKENIZER_FILES =
      List.of(
          "tokenizer.json",
          "tokenizer_config.json",
          "special_tokens_map.json",
          "generation_config.json",
          "chat_template.jinja");

  /** The vision tower. */
  record Vision(int imageSize, int patchSize, int hidden, int layers, int heads) {
    int patches() {
      return (imageSize / patchSize) * (imageSize / patchSize);
    }
  }

  private static final Vision SIGLIP_L = new Vision(384, 16, 1024, 24, 16);
  private static final VqShape VQ_16 =
      new VqShape(16384, CODE_WIDTH, 128, List.of(1, 1, 2, 2, 4), 2, 256, true, false);

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
            new VqShape(64, CODE_WIDTH, 32, List.of(1, 1, 1, 1), 1, 32, true, false)));
    return shapes;
  }

  @Override
  public Map<String, long[]> tensors() {
    ShapeTensors t = new ShapeTensors();
    vision(t);
    mlp(t, "model.aligner.", vision.hidden);
    vq.tensors(t, "model.vqmodel.");
    t.add("model.generation_embeddings.weight", vq.codes(), CODE_WIDTH);
    mlp(t, "model.generation_aligner.", CODE_WIDTH);
    t.linear("model.generation_head.proj_out", hidden, hidden);
    t.linear("model.generation_head.vision_head", vq.codes(), hidden);
    String p = "model.language_model.";
    t.add(p + "embed_tokens.weight", vocab, hidden);
    for (int i = 0; i < layers; i++) {
      t.llamaLayer(p + "layers." + i + ".", hidden, intermediate);
    }
    t.add(p + "norm.weight", hidden);
    t.add("lm_head.weight", vocab, hidden);
    return t.shapes();
  }

  private void vision(ShapeTensors t) {
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

  private void mlp(ShapeTensors t, String p, long inputs) {
    t.linear(p + "fc1", hidden, inputs);
    t.linear(p + "hidden_layers.0", hidden, hidden);
  }

  /** {@inheritDoc} The demo's tokenizer where none is given. */
  @Override
  public void writeFiles(Path folder, Optional<Path> tokenizer) throws IOException {
    Path source = tokenizer.orElseGet(DemoModel::folder);
    for (String file : TOKENIZER_FILES) {
      if (Files.exists(source.resolve(file))) {
        Files.copy(
            source.resolve(file), folder.resolve(file), StandardCopyOption.REPLACE_EXISTING);
      }
    }
    ModelShape.write(folder, "config.json", config(controlTokens(source)));
    ModelShape.write(folder, "preprocessor_config.json", imageProcessor());
    JsonObject processor = new JsonObject();
    processor.addProperty("processor_class", "JanusProcessor");
    processor.addProperty("num_image_tokens", vision.patches());
    processor.addProperty("use_default_system_prompt", true);
    ModelShape.write(folder, "processor_config.json", processor);
  }

  /**
   * {@return config.json}
   *
   * @param tokens ids of the control tokens, by their keys in config.json
   */
  private JsonObject config(Map<String, Integer> tokens) {
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
    JsonObject json = vq.config("janus_vqgan");
    json.addProperty("num_patches", vision.imageSize / vision.patchSize);
    json.addProperty("image_token_embed_dim", hidden);
    json.addProperty("projection_dim", hidden);
    json.addProperty("num_hidden_layers", 2);
    return json;
  }

  private JsonObject imageProcessor() {
    JsonObject json = new JsonObject();
    json.addProperty("image_processor_type", "JanusImageProcessor");
    json.addProperty("do_resize", true);
    json.addProperty("do_rescale", true);
    json.addProperty("do_normalize", true);
    json.addProperty("do_pad", true);
    json.addProperty("min_size", 14);
    json.addProperty("resample", 3);
    json.addProperty("rescale_factor", 1 / 255.0);
    JsonArray half = new JsonArray();
    JsonArray grey = new JsonArray();
    for (int i = 0; i < 3; i++) {
      half.add(0.5);
      grey.add(127);
    }
    json.add("image_mean", half);
    json.add("image_std", half);
    json.add("background_color", grey);
    JsonObject size = new JsonObject();
    size.addProperty("height", vision.imageSize);
    size.addProperty("width", vision.imageSize);
    json.add("size", size);
    return json;
  }

  /** The ids of the tokenizer that is copied: the rows behind them are random in any case. */
  private static Map<String, Integer> controlTokens(Path source) throws IOException {
    JsonObject config = json(source.resolve("config.json"));
    Map<String, Integer> ids = new HashMap<>();
    if (config.has("image_token_id")) {
      ids.put("image_token_id", config.get("image_token_id").getAsInt());
    } else {
      for (JsonElement token :
          json(source.resolve("tokenizer.json")).getAsJsonArray("added_tokens")) {
        JsonObject added = token.getAsJsonObject();
        if (added.get("content").getAsString().equals("<image_placeholder>")) {
          ids.put("image_token_id", added.get("id").getAsInt());
        }
      }
    }
    JsonObject text =
        config.has("text_config") ? config.getAsJsonObject("text_config") : new JsonObject();
    for (String key : List.of("bos_token_id", "eos_token_id", "pad_token_id")) {
      if (text.has(key) && text.get(key).isJsonPrimitive()) {
        ids.put(key, text.get(key).getAsInt());
      }
    }
    return ids;
  }

  private static JsonObject json(Path file) throws IOException {
    return JsonParser.parseString(Files.readString(file, StandardCharsets.UTF_8))
        .getAsJsonObject();
  }
}
