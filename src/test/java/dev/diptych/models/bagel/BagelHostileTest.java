package dev.diptych.models.bagel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.diptych.core.CheckpointException;
import dev.diptych.core.EngineException;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.Output;
import dev.diptych.core.UnifiedModel;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.engine.Value;
import dev.diptych.core.weights.CheckpointSummary;
import dev.diptych.models.Diptych;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Folders that are no BAGEL, or a wrong one: typed errors that say what is wrong. */
class BagelHostileTest {
  @TempDir Path folder;

  @BeforeEach
  void copy() throws IOException {
    try (Stream<Path> files = Files.list(TinyBagel.folder())) {
      for (Path file : files.toList()) {
        Files.copy(file, folder.resolve(file.getFileName().toString()));
      }
    }
  }

  private void load() {
    long live = Value.live();
    try {
      Diptych.load(folder, TinyBagel.FLOAT32).close();
    } finally {
      assertThat(Value.live()).as("open values").isEqualTo(live);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"ae.safetensors", "ema.safetensors"})
  void aMissingFileOfWeightsIsNamed(String file) throws IOException {
    Files.delete(folder.resolve(file));

    assertThatThrownBy(this::load)
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining(file)
        .hasMessageContaining("ByteDance-Seed/BAGEL-7B-MoT");
    assertThatThrownBy(() -> Diptych.inspect(folder)).isInstanceOf(CheckpointException.class);
  }

  /** The reference's program never reads that file; its keys are for the bare language model. */
  @Test
  void samplingOfTheQwenThatBagelWasMadeFromIsNotItsOwn() throws IOException {
    json(
        "generation_config.json",
        json -> {
          json.addProperty("do_sample", true);
          json.addProperty("temperature", 0.7);
          json.addProperty("top_p", 0.8);
          json.addProperty("top_k", 20);
          json.addProperty("repetition_penalty", 1.05);
        });

    try (UnifiedModel model = Diptych.load(folder, TinyBagel.FLOAT32)) {
      GenerationOptions words = model.defaults(Output.TEXT);
      assertThat(words.isGreedy()).isTrue();
      assertThat(words.temperature()).hasValue(0.3);
      assertThat(words.repetitionPenalty()).hasValue(1);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"llm_config.json", "vit_config.json"})
  void aMissingConfigIsNamed(String file) throws IOException {
    Files.delete(folder.resolve(file));

    assertThatThrownBy(this::load)
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining(file);
  }

  @Test
  void aFolderWithoutConfigJsonIsKnownByItsOtherFiles() throws IOException {
    Files.delete(folder.resolve("config.json"));
    Files.delete(folder.resolve("generation_config.json"));

    try (var model = Diptych.load(folder, TinyBagel.FLOAT32)) {
      assertThat(model.defaults(Output.IMAGE).inferenceSteps()).hasValue(49);
    }
  }

  @Test
  void aTensorThatIsMissingIsNamedWithItsShape() throws IOException {
    rename("ema.safetensors", n -> n.replace("1.mlp_moe_gen.up_proj", "1.mlp_moe_gen.u_proj"));

    assertThatThrownBy(this::load)
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("language_model.model.layers.1.mlp_moe_gen.up_proj.weight");
  }

  @Test
  void aTensorOfTheCoderThatIsMissingIsNamed() throws IOException {
    rename("ae.safetensors", n -> n.replace("decoder.mid.block_2.conv1", "decoder.mid.b.conv1"));

    assertThatThrownBy(this::load)
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("decoder.mid.block_2.conv1.weight");
  }

  @Test
  void aCoderOfOtherChannelsIsRefused() throws IOException {
    json("config.json", c -> c.addProperty("latent_patch_size", 4));

    assertThatThrownBy(this::load)
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("expected latents of 1.0 channels")
        .hasMessageContaining("found    4 in ae.safetensors");
  }

  @Test
  void theTowersLastLayerMayBeThereAndIsNotRun() throws IOException {
    json("vit_config.json", c -> c.addProperty("num_hidden_layers", 2));
    CheckpointSummary summary = Diptych.inspect(folder);

    assertThat(summary.fit().orElseThrow().fits()).isTrue();
    assertThat(summary.fit().orElseThrow().ignored())
        .containsKey("vit_model.vision_model.encoder.layers.1.mlp.fc1.weight");
  }

  @Test
  void partsThatAreNotKnownAreRefused() throws IOException {
    json("config.json", c -> c.addProperty("interpolate_pos", true));
    assertThatThrownBy(this::load)
        .isInstanceOf(UnsupportedModelException.class)
        .hasMessageContaining("interpolate_pos");
    json("config.json", c -> c.addProperty("interpolate_pos", false));
    json("config.json", c -> c.addProperty("visual_gen", false));
    assertThatThrownBy(this::load)
        .isInstanceOf(UnsupportedModelException.class)
        .hasMessageContaining("visual_gen");
    json("config.json", c -> c.addProperty("visual_gen", true));
    json("vit_config.json", c -> c.addProperty("hidden_act", "gelu"));
    assertThatThrownBy(this::load)
        .isInstanceOf(UnsupportedModelException.class)
        .hasMessageContaining("gelu_pytorch_tanh");
  }

  @Test
  void sizesThatDoNotGoTogetherAreRefused() throws IOException {
    json("llm_config.json", c -> c.addProperty("num_key_value_heads", 3));
    assertThatThrownBy(this::load)
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("num_key_value_heads");
    json("llm_config.json", c -> c.addProperty("num_key_value_heads", 2));
    json("llm_config.json", c -> c.addProperty("hidden_size", 48));
    assertThatThrownBy(this::load)
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("48");
  }

  @Test
  void aTokenizerWithMoreTokensThanTheModelIsRefused() throws IOException {
    json("llm_config.json", c -> c.addProperty("vocab_size", 300));

    assertThatThrownBy(this::load)
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("more tokens than the model");
  }

  @Test
  void numbersThatAreNoneEndADrawingWithATypedError() throws IOException {
    poison("ema.safetensors", "llm2vae.bias");
    try (var model = Diptych.load(folder, TinyBagel.FLOAT32)) {
      long live = Value.live();

      assertThatThrownBy(() -> model.draw("a cat"))
          .isInstanceOf(EngineException.class)
          .hasMessageContaining("not finite");
      assertThat(Value.live()).isEqualTo(live);
      assertThat(
              model.generate(GenerationRequest.builder().text("are you well?").build()).tokenIds())
          .isNotEmpty();
    }
  }

  @Test
  void aCoderOfTheCallersIsRefused() {
    assertThatThrownBy(
            () -> Diptych.load(folder, TinyBagel.FLOAT32.withImageCoder(folder)))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("ae.safetensors");
  }

  @Test
  void aDecoderThatWasExportedDrawsTheSame() {
    Path file = folder.resolve("vae.onnx");
    Diptych.exportVqDecoder(folder, file);

    try (var own = Diptych.load(folder, TinyBagel.FLOAT32);
        var exported = Diptych.load(folder, TinyBagel.FLOAT32.withImageDecoder(file))) {
      GenerationRequest request =
          GenerationRequest.builder()
              .text("a cat")
              .output(Output.IMAGE)
              .options(GenerationOptions.builder().seed(2).build())
              .build();
      assertThat(exported.generate(request).images()).isEqualTo(own.generate(request).images());
    }
  }

  @Test
  void inspectTellsWhatItIs() {
    CheckpointSummary summary = Diptych.inspect(folder);

    assertThat(summary.family()).isEqualTo("bagel");
    assertThat(summary.fit().orElseThrow().fits()).isTrue();
    assertThat(summary.sizes())
        .containsEntry("image.size", "48")
        .containsEntry("vision.image_size", "40")
        .containsEntry("vision.num_hidden_layers", "2")
        .containsEntry("image.latent_channels", "4");
    assertThat(summary.files()).hasSize(2);
  }

  private void json(String file, Consumer<JsonObject> change) throws IOException {
    Path at = folder.resolve(file);
    JsonObject json = JsonParser.parseString(Files.readString(at)).getAsJsonObject();
    change.accept(json);
    Files.writeString(at, json.toString());
  }

  /** Writes the tensors under other names. */
  private void rename(String file, UnaryOperator<String> names) throws IOException {
    ByteBuffer bytes = bytes(file);
    JsonObject renamed = new JsonObject();
    header(bytes).entrySet().forEach(e -> renamed.add(names.apply(e.getKey()), e.getValue()));
    byte[] json = renamed.toString().getBytes(StandardCharsets.UTF_8);
    byte[] data =
        Arrays.copyOfRange(
            bytes.array(), 8 + Math.toIntExact(bytes.getLong(0)), bytes.capacity());
    ByteBuffer written =
        ByteBuffer.allocate(8 + json.length + data.length).order(ByteOrder.LITTLE_ENDIAN);
    Files.write(
        folder.resolve(file), written.putLong(json.length).put(json).put(data).array());
  }

  /** Overwrites a bfloat16 tensor's first number with NaN. */
  private void poison(String file, String tensor) throws IOException {
    ByteBuffer bytes = bytes(file);
    JsonArray offsets = header(bytes).getAsJsonObject(tensor).getAsJsonArray("data_offsets");
    int begin = 8 + Math.toIntExact(bytes.getLong(0)) + offsets.get(0).getAsInt();
    Files.write(folder.resolve(file), bytes.putShort(begin, (short) 0x7FC0).array());
  }

  private ByteBuffer bytes(String file) throws IOException {
    return ByteBuffer.wrap(Files.readAllBytes(folder.resolve(file)))
        .order(ByteOrder.LITTLE_ENDIAN);
  }

  private static JsonObject header(ByteBuffer file) {
    int length = Math.toIntExact(file.getLong(0));
    return JsonParser.parseString(new String(file.array(), 8, length, StandardCharsets.UTF_8))
        .getAsJsonObject();
  }
}
