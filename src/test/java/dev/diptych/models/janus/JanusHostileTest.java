package dev.diptych.models.janus;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.diptych.core.CheckpointException;
import dev.diptych.core.DiptychException;
import dev.diptych.core.EngineException;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.engine.Value;
import dev.diptych.models.Diptych;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Checkpoints that are wrong in one place each. */
class JanusHostileTest {
  @TempDir private Path folder;

  @Test
  void weightsThatAreNotNumbersEndTheRunInsteadOfARandomAnswer() throws IOException {
    copy("hf");
    poison("model.language_model.norm.weight");
    try (JanusModel model = JanusModel.load(folder, JanusGoldenTest.FLOAT32)) {
      long live = Value.live();
      assertThatThrownBy(
              () -> model.generate(GenerationRequest.builder().text("hello").build()))
          .isInstanceOf(EngineException.class)
          .hasMessageContaining("not finite at step 0");
      assertThatThrownBy(() -> model.draw("a circle"))
          .isInstanceOf(EngineException.class)
          .hasMessageContaining("not finite at step 0 of picture 0");
      assertThat(Value.live()).isEqualTo(live);
    }
  }

  @Test
  void aConfigWithMoreLayersThanTheWeightsNamesTheMissingTensors() throws IOException {
    copy("hf");
    config(c -> c.getAsJsonObject("text_config").addProperty("num_hidden_layers", 3));

    assertThatThrownBy(() -> Diptych.load(folder))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("9 missing")
        .hasMessageContaining("model.language_model.layers.2.self_attn.q_proj.weight [64, 64]");
  }

  @Test
  void aConfigWithFewerLayersThanTheWeightsNamesTheUnusedTensors() throws IOException {
    copy("hf");
    config(c -> c.getAsJsonObject("text_config").addProperty("num_hidden_layers", 1));

    assertThatThrownBy(() -> Diptych.load(folder))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("9 not used")
        .hasMessageContaining("model.language_model.layers.1.");
  }

  @Test
  void aWrongShapeIsToldWithBothShapes() throws IOException {
    copy("hf");
    config(c -> c.getAsJsonObject("text_config").addProperty("intermediate_size", 89));

    assertThatThrownBy(() -> Diptych.load(folder))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("[89, 64]")
        .hasMessageContaining("[88, 64]");
  }

  @Test
  void aValueOfConfigThatCannotBeIsRefusedBeforeTensorsAreRead() throws IOException {
    refused(c -> c.getAsJsonObject("text_config").addProperty("num_hidden_layers", 1_000_000_000));
    refused(c -> c.getAsJsonObject("text_config").addProperty("hidden_size", 0));
    refused(c -> c.getAsJsonObject("text_config").addProperty("num_key_value_heads", 3));
    refused(c -> c.getAsJsonObject("text_config").addProperty("rms_norm_eps", "NaN"));
    refused(c -> c.getAsJsonObject("text_config").addProperty("vocab_size", -1));
    refused(c -> c.getAsJsonObject("vision_config").addProperty("num_attention_heads", 5));
    refused(c -> c.getAsJsonObject("vision_config").addProperty("num_image_tokens", 26));
    refused(c -> c.getAsJsonObject("vq_config").addProperty("base_channels", 64));
    refused(c -> c.getAsJsonObject("vq_config").addProperty("num_embeddings", 95));
  }

  @Test
  void aTokenizerWithMoreTokensThanTheModelIsRefused() throws IOException {
    copy("hf");
    Path file = folder.resolve("tokenizer.json");
    JsonObject json = JsonParser.parseString(Files.readString(file)).getAsJsonObject();
    JsonArray added = json.getAsJsonArray("added_tokens");
    for (int id = 304; id <= 320; id++) {
      JsonObject token = added.get(0).getAsJsonObject().deepCopy();
      token.addProperty("id", id);
      token.addProperty("content", "<token " + id + ">");
      added.add(token);
    }
    Files.writeString(file, json.toString());

    assertThatThrownBy(() -> Diptych.load(folder))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("expected at most vocab_size 320")
        .hasMessageContaining("found    321");
  }

  @Test
  void preprocessingThatCannotFitTheTowerIsRefusedAtLoad() throws IOException {
    for (String wrong :
        new String[] {
          "{\"min_size\": 41}",
          "{\"image_std\": [0.5, 0, 0.5]}",
          "{\"image_mean\": [0.5]}",
          "{\"background_color\": []}",
          "{\"size\": {\"height\": 41}}"
        }) {
      copy("hf");
      Files.writeString(folder.resolve("preprocessor_config.json"), wrong);

      assertThatThrownBy(() -> Diptych.load(folder))
          .as(wrong)
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("preprocessor_config.json")
          .hasMessageContaining("expected");
    }
  }

  @Test
  void whatIsNoJanusIsNamedWithWhatIsSupported() throws IOException {
    copy("hf");
    config(c -> c.addProperty("model_type", "llava"));

    assertThatThrownBy(() -> Diptych.load(folder))
        .isInstanceOf(UnsupportedModelException.class)
        .hasMessageContaining("llava")
        .hasMessageContaining("supported janus, multi_modality");
    assertThatThrownBy(() -> Diptych.load(folder.resolve("nothing here")))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("no such folder");
  }

  @Test
  void aVariantThatIsNotRunIsNamed() throws IOException {
    copy("hf");
    config(c -> c.getAsJsonObject("text_config").addProperty("hidden_act", "gelu"));

    assertThatThrownBy(() -> Diptych.load(folder))
        .isInstanceOf(UnsupportedModelException.class)
        .hasMessageContaining("hidden_act is gelu");
  }

  private void refused(Consumer<JsonObject> change) throws IOException {
    copy("hf");
    config(change);
    long begin = System.nanoTime();
    assertThatThrownBy(() -> Diptych.load(folder))
        .isInstanceOf(DiptychException.class)
        .hasMessageContaining("expected");
    assertThat((System.nanoTime() - begin) / 1e9).as("seconds").isLessThan(20);
  }

  private void copy(String layout) throws IOException {
    try (Stream<Path> files = Files.list(TinyJanus.checkpoint(layout))) {
      for (Path file : files.toList()) {
        Path target = folder.resolve(file.getFileName().toString());
        Files.deleteIfExists(target);
        Files.copy(file, target);
      }
    }
  }

  private void config(Consumer<JsonObject> change) throws IOException {
    Path file = folder.resolve("config.json");
    JsonObject json = JsonParser.parseString(Files.readString(file)).getAsJsonObject();
    change.accept(json);
    Files.writeString(file, json.toString());
  }

  /** Overwrites a bfloat16 tensor's first number with NaN. */
  private void poison(String tensor) throws IOException {
    Path file = folder.resolve("model.safetensors");
    ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
    int header = Math.toIntExact(bytes.getLong(0));
    String json = new String(bytes.array(), 8, header, StandardCharsets.UTF_8);
    JsonArray offsets =
        JsonParser.parseString(json)
            .getAsJsonObject()
            .getAsJsonObject(tensor)
            .getAsJsonArray("data_offsets");
    bytes.putShort(8 + header + offsets.get(0).getAsInt(), (short) 0x7FC0);
    Files.write(file, bytes.array());
  }
}
