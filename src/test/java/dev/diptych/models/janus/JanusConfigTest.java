package dev.diptych.models.janus;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.diptych.core.CheckpointException;
import dev.diptych.core.DiptychException;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.core.weights.Weights;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Configs that lie, against sound weights: refused by name before a tensor is read. */
@Timeout(30)
class JanusConfigTest {

  @ParameterizedTest
  @ValueSource(
      strings = {
        "hf", "original/janus-1.3b", "original/janus-pro-1b", "original/janus-pro-7b"
      })
  void bindsEveryTensorOfItsOwnTransformer(String layout) throws IOException {
    try (Checkpoint checkpoint = Checkpoint.open(TinyJanus.checkpoint(layout))) {
      Weights weights = bind(config(layout), checkpoint);

      assertThat(weights.report().missing()).isEmpty();
      assertThat(weights.report().mismatched()).isEmpty();
      assertThat(weights.report().unused())
          .allSatisfy(name -> assertThat(name).containsAnyOf("vqmodel.", "gen_vision_model."));
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "text_config | num_hidden_layers | 1000000000",
        "text_config | num_hidden_layers | 0",
        "text_config | hidden_size | 0",
        "text_config | hidden_size | -64",
        "text_config | hidden_size | 64.5",
        "text_config | hidden_size | \"64\"",
        "text_config | hidden_size | 1e400",
        "text_config | vocab_size | -1",
        "text_config | vocab_size | 99999999999999999999",
        "text_config | intermediate_size | 0",
        "text_config | num_attention_heads | 0",
        "text_config | num_key_value_heads | 3",
        "text_config | num_key_value_heads | 0",
        "text_config | head_dim | 15",
        "text_config | rms_norm_eps | -1",
        "text_config | rms_norm_eps | 1e400",
        "text_config | rms_norm_eps | []",
        "text_config | rope_parameters | {\"rope_theta\":0}",
        "text_config | attention_bias | 1",
        "vision_config | num_hidden_layers | 1000000000",
        "vision_config | hidden_size | 0",
        "vision_config | num_attention_heads | 5",
        "vision_config | patch_size | 0",
        "vision_config | image_size | 0",
        "vision_config | image_size | 7",
        "vision_config | image_size | 65536",
        "vision_config | num_image_tokens | 24",
        "vision_config | mlp_ratio | 0",
        "vision_config | mlp_ratio | {}",
        "vision_config | layer_norm_eps | 0",
        "vision_config | depth | 0",
        "vq_config | num_embeddings | 0",
        "vq_config | embed_dim | -6",
        "vq_config | num_hidden_layers | 1000000000",
        "vq_config | image_token_embed_dim | 0",
      })
  void refusesAValueOutOfRangeByName(String part, String key, String value) throws IOException {
    JsonObject config = config("hf");
    config.getAsJsonObject(part).add(key, JsonParser.parseString(value));

    assertRefused(config, CheckpointException.class, key.equals("image_size") ? "image" : key);
  }

  @ParameterizedTest
  @ValueSource(strings = {"text_config", "vision_config", "vq_config"})
  void refusesAPartThatIsAbsentOrNoObject(String part) throws IOException {
    JsonObject absent = config("hf");
    absent.remove(part);
    assertRefused(absent, CheckpointException.class, part + " is missing");

    JsonObject number = config("hf");
    number.addProperty(part, 3);
    assertRefused(number, CheckpointException.class, part + " is 3; expected an object");
  }

  @Test
  void refusesHeadsThatDoNotDivideTheWidth() throws IOException {
    JsonObject config = config("hf");
    config.getAsJsonObject("text_config").remove("head_dim");
    config.getAsJsonObject("text_config").addProperty("num_attention_heads", 5);

    assertRefused(config, CheckpointException.class, "a multiple of num_attention_heads 5");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "model_type | \"llava\" | llava",
        "model_type | \"chameleon\" | chameleon",
        "model_type | null | none",
        "text_config.hidden_act | \"gelu\" | hidden_act",
        "text_config.rope_parameters | {\"rope_type\":\"yarn\",\"rope_theta\":1e4} | yarn",
        "vision_config.hidden_act | \"quick_gelu\" | quick_gelu",
        "vision_config.use_qk_norm | true | use_qk_norm",
      })
  void saysThatAnotherArchitectureIsNotSupported(String path, String value, String shown)
      throws IOException {
    JsonObject config = config("hf");
    int dot = path.indexOf('.');
    JsonObject parent = dot < 0 ? config : config.getAsJsonObject(path.substring(0, dot));
    parent.add(path.substring(dot + 1), JsonParser.parseString(value));

    assertRefused(config, UnsupportedModelException.class, shown);
  }

  @Test
  void refusesNaNAndDeepNesting() throws IOException {
    String nan = config("hf").toString().replace("\"rms_norm_eps\":1e-06", "\"rms_norm_eps\":NaN");
    assertThat(nan).contains("NaN");
    String deep = "{\"model_type\":" + "[".repeat(100_000);

    for (String text : new String[] {nan, deep}) {
      assertThatThrownBy(() -> JsonMap.parse("config.json", text.getBytes(StandardCharsets.UTF_8)))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("config.json");
    }
  }

  @ParameterizedTest
  @CsvSource({
    "text_config, num_hidden_layers, 3, model.language_model.layers.2.mlp.up_proj.weight",
    "text_config, num_hidden_layers, 4096, model.language_model.layers.2.",
    "vision_config, num_hidden_layers, 3, model.vision_model.encoder.layers.2.",
    "vision_config, depth, 3, model.aligner.hidden_layers.1.weight",
  })
  void namesTheTensorsThatAConfigAsksForInVain(String part, String key, int value, String missing)
      throws IOException {
    JsonObject config = config("hf");
    config.getAsJsonObject(part).addProperty(key, value);

    try (Checkpoint checkpoint = Checkpoint.open(TinyJanus.checkpoint("hf"))) {
      Weights weights = bind(config, checkpoint);

      assertThat(weights.report().missing().keySet()).anyMatch(n -> n.startsWith(missing));
      assertThatThrownBy(weights::done)
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining(" missing:");
    }
  }

  @ParameterizedTest
  @CsvSource({
    "text_config, intermediate_size, 96, '[96, 64]', '[88, 64]'",
    "text_config, vocab_size, 321, '[321, 64]', '[320, 64]'",
    "text_config, hidden_size, 128, '[320, 128]', '[320, 64]'",
    "vision_config, hidden_size, 96, '[96, 3, 8, 8]', '[48, 3, 8, 8]'",
    "vq_config, num_embeddings, 97, '[97, 6]', '[96, 6]'",
  })
  void saysWhatShapeWasExpectedAndFound(
      String part, String key, int value, String expected, String found) throws IOException {
    JsonObject config = config("hf");
    config.getAsJsonObject(part).addProperty(key, value);

    try (Checkpoint checkpoint = Checkpoint.open(TinyJanus.checkpoint("hf"))) {
      assertThatThrownBy(() -> bind(config, checkpoint).done())
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("expected " + expected + ", found " + found)
          .hasMessageContaining("in model.safetensors");
    }
  }

  private static JsonObject config(String layout) throws IOException {
    String text = Files.readString(TinyJanus.checkpoint(layout).resolve("config.json"));
    return JsonParser.parseString(text).getAsJsonObject();
  }

  private static Weights bind(JsonElement config, Checkpoint checkpoint) {
    Weights weights = Weights.of(checkpoint);
    JanusWeights.bind(weights, JanusConfig.read(map(config), checkpoint));
    return weights;
  }

  private static JsonMap map(JsonElement config) {
    return JsonMap.parse("config.json", config.toString().getBytes(StandardCharsets.UTF_8));
  }

  private static void assertRefused(
      JsonObject config, Class<? extends DiptychException> type, String shown) {
    try (Checkpoint checkpoint = Checkpoint.open(TinyJanus.checkpoint("hf"))) {
      assertThatThrownBy(() -> JanusConfig.read(map(config), checkpoint))
          .isInstanceOf(type)
          .hasMessageContaining(shown);
    }
  }
}
