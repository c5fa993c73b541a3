package dev.diptych.models.janus;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import dev.diptych.core.DType;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.engine.Value;
import dev.diptych.testing.Golden;
import dev.diptych.testing.Tolerance;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The transformer against the reference, element by element, weights through the real binding. */
class JanusTransformerGoldenTest {
  @ParameterizedTest
  @ValueSource(strings = {"hf", "original/janus-1.3b", "original/janus-pro-7b"})
  void visionTowerAndAlignerAgree(String layout) {
    try (Golden golden = Golden.open("janus/" + layout + "/understand");
        TinyJanus tiny = TinyJanus.open(layout, DType.FLOAT32);
        Value tower = tiny.transformer().visionModel(golden.floats("pixel_values"), 1);
        Value aligned = tiny.transformer().encodeImages(golden.floats("pixel_values"), 1)) {
      Tolerance.FP32_DEEP.check("vision tower", tower.toFloats(), golden.floats("vision_output"));
      Tolerance.FP32_DEEP.check("aligner", aligned.toFloats(), golden.floats("aligner_output"));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"hf", "original/janus-1.3b"})
  void everyHiddenStateAndLogitAgrees(String layout) {
    try (Golden golden = Golden.open("janus/" + layout + "/understand");
        TinyJanus tiny = TinyJanus.open(layout, DType.FLOAT32);
        Value embeds = tiny.prompt(layout, golden)) {
      int layers = tiny.config().text().numHiddenLayers();
      float[] states;
      float[] logits;
      int length = (int) golden.shape("decoder_embeddings")[1];
      try (JanusTransformer.Cache cache = tiny.transformer().newCache(1, length);
          Value all = tiny.transformer().hiddenStates(embeds, cache);
          Value text = tiny.transformer().allLogits(embeds, cache, false)) {
        states = all.toFloats();
        logits = text.toFloats();
      }

      int size = states.length / (layers + 2);
      Tolerance.FP32_DEEP.check(
          "embeddings", Arrays.copyOf(states, size), golden.floats("decoder_embeddings"));
      for (int i = 0; i < layers; i++) {
        Tolerance.FP32_DEEP.check(
            "layer " + i,
            Arrays.copyOfRange(states, (i + 1) * size, (i + 2) * size),
            golden.floats("decoder_layer_" + i));
      }
      Tolerance.FP32_DEEP.check(
          "final norm",
          Arrays.copyOfRange(states, (layers + 1) * size, (layers + 2) * size),
          golden.floats("decoder_norm"));
      Tolerance.FP32_DEEP.check("logits", logits, golden.floats("logits"));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"hf", "original/janus-1.3b"})
  void aPromptLeavesTheLastPositionOfWhatAllWouldBe(String layout) {
    try (Golden golden = Golden.open("janus/" + layout + "/understand");
        TinyJanus tiny = TinyJanus.open(layout, DType.FLOAT32);
        Value embeds = tiny.prompt(layout, golden)) {
      int length = (int) golden.shape("decoder_embeddings")[1];
      try (JanusTransformer.Cache cache = tiny.transformer().newCache(1, length);
          Value hidden = tiny.transformer().prefill(embeds, cache, 0)) {
        float[] all = golden.floats("decoder_norm");
        float[] last = hidden.toFloats();
        Tolerance.FP32_DEEP.check(
            "final norm", last, Arrays.copyOfRange(all, all.length - last.length, all.length));
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"hf", "original/janus-1.3b", "original/janus-pro-7b"})
  void greedyImageCodesWithGuidanceAreEqual(String layout) {
    JsonObject facts = Golden.facts("janus/" + layout + "/draw");
    try (TinyJanus tiny = TinyJanus.open(layout, DType.FLOAT32)) {
      for (JsonElement element : facts.getAsJsonArray("draws")) {
        JsonObject draw = element.getAsJsonObject();
        List<Integer> codes =
            tiny.drawGreedily(
                ints(draw.getAsJsonArray("input_ids")),
                ints(draw.getAsJsonArray("unconditional_ids")),
                draw.get("guidance").getAsDouble());

        assertThat(codes).as(draw.get("prompt").getAsString()).isEqualTo(list(draw, "codes"));
      }
    }
  }

  @Test
  void aPromptReadInPiecesLeavesTheSameCache() {
    try (Golden golden = Golden.open("janus/hf/understand");
        TinyJanus tiny = TinyJanus.open("hf", DType.FLOAT32);
        Value embeds = tiny.prompt("hf", golden)) {
      int length = (int) golden.shape("decoder_embeddings")[1];
      JanusTransformer t = tiny.transformer();
      try (JanusTransformer.Cache whole = t.newCache(1, length);
          JanusTransformer.Cache pieces = t.newCache(1, length + 7);
          Value expected = t.prefill(embeds, whole, 0);
          Value first = t.narrow(embeds, 0, 11);
          Value middle = t.narrow(embeds, 11, length - 12);
          Value last = t.narrow(embeds, length - 1, 1);
          Value a = t.prefill(first, pieces, 0);
          Value b = t.prefill(middle, pieces, 11);
          Value found = t.prefill(last, pieces, length - 1)) {
        Tolerance.FP32.check("last hidden state", found.toFloats(), expected.toFloats());
      }
    }
  }

  @Test
  void sampledCodesOfAPictureDoNotDependOnHowManyAreDrawn() {
    JsonObject draw =
        Golden.facts("janus/hf/draw").getAsJsonArray("draws").get(0).getAsJsonObject();
    GenerationOptions options =
        GenerationOptions.builder().temperature(1.0).guidanceScale(5).seed(11).build();
    try (TinyJanus tiny = TinyJanus.open("hf", DType.FLOAT32)) {
      int[] ids = ints(draw.getAsJsonArray("input_ids"));
      int[] unconditional = ints(draw.getAsJsonArray("unconditional_ids"));
      List<List<Integer>> four = tiny.draw(ids, unconditional, options, 4);
      List<List<Integer>> one = tiny.draw(ids, unconditional, options, 1);

      assertThat(four.get(0)).isEqualTo(one.get(0));
      assertThat(four).doesNotHaveDuplicates();
    }
  }

  private static int[] ints(JsonArray array) {
    int[] values = new int[array.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = array.get(i).getAsInt();
    }
    return values;
  }

  private static List<Integer> list(JsonObject object, String key) {
    List<Integer> values = new ArrayList<>();
    object.getAsJsonArray(key).forEach(e -> values.add(e.getAsInt()));
    return values;
  }
}
