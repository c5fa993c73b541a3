package dev.diptych.models.janusflow;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.diptych.core.CheckpointException;
import dev.diptych.core.DiptychException;
import dev.diptych.core.EngineException;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.Output;
import dev.diptych.core.UnifiedModel;
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
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Checkpoints that are wrong in one place each, and requests that cannot be. */
class JanusFlowHostileTest {
  @TempDir private Path root;
  private Path folder;

  @BeforeEach
  void copy() {
    folder = TinyJanusFlow.withoutVae(root.resolve("model"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "language_config | num_hidden_layers | 1000000000",
        "language_config | num_hidden_layers | 3",
        "language_config | hidden_size | 64",
        "language_config | num_key_value_heads | 3",
        "language_config | max_position_embeddings | 11",
        "language_config | attention_bias | true",
        "language_config | hidden_act | \"gelu\"",
        "vision_und_enc_config | cls | \"SAM\"",
        "vision_und_enc_config | select_layer | -2",
        "vision_und_enc_config | image_size | 32",
        "vision_gen_enc_config | cls | \"UNet\"",
        "vision_gen_enc_config | stride | 0",
        "vision_gen_enc_config | stride | 4",
        "vision_gen_enc_config | padding | 0",
        "vision_gen_enc_config | kernel_size | 5",
        "vision_gen_enc_config | input_channels | 3",
        "vision_gen_enc_config | block_out_channels | [24, 24]",
        "vision_gen_enc_config | block_out_channels | [23]",
        "vision_gen_enc_config | layers_in_middle | 3",
        "vision_gen_enc_config | use_bias | false",
        "vision_gen_enc_config | use_mid_block | false",
        "vision_gen_enc_config | hidden_size | 2048",
        "vision_gen_enc_config | norm_eps | -1",
        "vision_gen_dec_config | upsamples | 2",
        "vision_gen_dec_config | in_channels | 24",
        "vision_gen_dec_config | out_channels | 8",
        "vision_gen_dec_config | hidden_size | 31",
      })
  void aConfigThatLiesIsRefused(String part, String key, String value) throws IOException {
    config(
        c -> {
          JsonObject object = c.getAsJsonObject(part);
          boolean own = part.equals("language_config") || key.equals("cls");
          (own ? object : object.getAsJsonObject("params"))
              .add(key, JsonParser.parseString(value));
        });

    assertThatThrownBy(() -> Diptych.load(folder))
        .isInstanceOf(DiptychException.class)
        .hasMessageMatching("(?s).*(expected|missing|not used|this library runs).*");
  }

  @Test
  void aModelTypeThatIsAnothersIsTold() throws IOException {
    config(c -> c.addProperty("model_type", "janus"));

    assertThatThrownBy(() -> JanusFlowModel.load(folder, TinyJanusFlow.FLOAT32))
        .isInstanceOf(UnsupportedModelException.class)
        .hasMessageContaining("found    model_type janus");
  }

  /** A head that is not there is tied where config.json says so, and else is missing. */
  @Test
  void aHeadIsTiedWhereTheConfigSaysSo() throws IOException {
    config(c -> c.getAsJsonObject("language_config").addProperty("tie_word_embeddings", true));
    assertThat(Diptych.inspect(folder).fit().orElseThrow().ignored())
        .containsEntry("language_model.lm_head.weight", "tied: the embedding table");

    config(c -> c.getAsJsonObject("language_config").remove("tie_word_embeddings"));
    Path file = folder.resolve("model.safetensors");
    String bytes = Files.readString(file, StandardCharsets.ISO_8859_1);
    String other = bytes.replace("language_model.lm_head.weight", "vision_und_enc_model.x.weight");
    Files.writeString(file, other, StandardCharsets.ISO_8859_1);

    assertThatThrownBy(() -> Diptych.load(folder))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("missing")
        .hasMessageContaining("language_model.lm_head.weight");
  }

  @ParameterizedTest
  @ValueSource(strings = {"model.norm.weight", "vision_gen_dec_model.input_norm.weight"})
  void weightsThatAreNotNumbersEndTheDrawing(String tensor) throws IOException {
    poison(tensor.startsWith("model.") ? "language_model." + tensor : tensor);
    try (UnifiedModel model =
        Diptych.load(folder, TinyJanusFlow.FLOAT32.withImageCoder(vae()))) {
      long live = Value.live();

      assertThatThrownBy(() -> model.draw("a circle"))
          .isInstanceOf(EngineException.class)
          .hasMessageContaining("The latents of picture 0 are not finite");
      if (tensor.startsWith("model.")) {
        assertThatThrownBy(
                () -> model.generate(GenerationRequest.builder().text("hello").build()))
            .isInstanceOf(EngineException.class)
            .hasMessageContaining("not finite at step 0");
      }
      assertThat(Value.live()).isEqualTo(live);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, -1, 10_001, 1_000_000})
  void stepsThatCannotBeAreRefused(int steps) {
    assertThatThrownBy(() -> GenerationOptions.builder().inferenceSteps(steps).build())
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("inferenceSteps is " + steps);
  }

  @Test
  void aPromptMayFillTheContextToTheLastToken() {
    try (JanusFlowModel model = TinyJanusFlow.load()) {
      int context = model.capabilities().maxSequenceLength();
      int most = context - model.config().tokens();
      StringBuilder words = new StringBuilder("7");
      while (length(model, words) < most) {
        words.append('7');
      }
      assertThat(length(model, words)).isEqualTo(most);

      assertThat(model.generate(drawing(words.toString())).images()).hasSize(1);
      assertThatThrownBy(() -> model.generate(drawing(words + "7")))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("at most " + context + " tokens")
          .hasMessageContaining(most + 1 + " of the prompt");
    }
  }

  private static int length(JanusFlowModel model, CharSequence words) {
    return model
        .prompt()
        .drawing(drawing(words.toString()).parts(), model.drawTag())
        .length;
  }

  private static GenerationRequest drawing(String words) {
    return GenerationRequest.builder()
        .text(words)
        .output(Output.IMAGE)
        .options(GenerationOptions.builder().inferenceSteps(1).seed(1).build())
        .build();
  }

  @Test
  void aGuidanceThatIsNoNumberIsRefused() {
    for (double scale : new double[] {Double.NaN, Double.POSITIVE_INFINITY, -1, 101}) {
      assertThatThrownBy(() -> GenerationOptions.builder().guidanceScale(scale).build())
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("guidanceScale is");
    }
  }

  @Test
  void aMissingTensorIsNamedWithItsShape() throws IOException {
    config(
        c ->
            c.getAsJsonObject("vision_gen_dec_config")
                .getAsJsonObject("params")
                .addProperty("layers_in_middle", 2));

    assertThatThrownBy(() -> Diptych.load(folder))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("vision_gen_dec_model.mid_block.res_blocks.1.depthwise.weight")
        .hasMessageContaining("[40, 1, 7, 7]");
  }

  private static Path vae() {
    return TinyJanusFlow.checkpoint().resolve("vae");
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
    int begin =
        JsonParser.parseString(json)
            .getAsJsonObject()
            .getAsJsonObject(tensor)
            .getAsJsonArray("data_offsets")
            .get(0)
            .getAsInt();
    bytes.putShort(8 + header + begin, (short) 0x7FC0);
    Files.write(file, bytes.array());
  }
}
