package dev.diptych.models.janus;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import dev.diptych.core.DType;
import dev.diptych.core.engine.Value;
import dev.diptych.testing.Golden;
import dev.diptych.testing.Tolerance;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * bfloat16 keeps 8 bits of a number, so two correct programs differ. The bound is the reference's
 * own distance from its float32 numbers, doubled: both programs round, in different places.
 */
class JanusBfloat16Test {
  @ParameterizedTest
  @ValueSource(strings = {"hf", "original/janus-1.3b"})
  void logitsStayWithinTwiceTheReferencesOwnError(String layout) {
    JsonObject facts = Golden.facts("janus/" + layout + "/bf16");
    try (Golden golden = Golden.open("janus/" + layout + "/bf16");
        Golden understand = Golden.open("janus/" + layout + "/understand");
        TinyJanus tiny = TinyJanus.open(layout, DType.BFLOAT16);
        Value embeds = tiny.prompt(layout, understand)) {
      float[] expected = golden.floats("float32_logits");
      float[] found;
      int length = (int) understand.shape("decoder_embeddings")[1];
      try (JanusTransformer.Cache cache = tiny.transformer().newCache(1, length);
          Value logits = tiny.transformer().allLogits(embeds, cache, false)) {
        float[] all = logits.toFloats();
        found = Arrays.copyOfRange(all, all.length - expected.length, all.length);
      }

      assertThat(Tolerance.largest(found, expected))
          .isGreaterThan(0)
          .isLessThanOrEqualTo(2 * facts.get("last_logits_max_abs_error").getAsDouble());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"hf", "original/janus-1.3b"})
  void greedyCodesAreTheReferences(String layout) {
    JsonObject facts = Golden.facts("janus/" + layout + "/bf16");
    JsonObject draw =
        Golden.facts("janus/" + layout + "/draw").getAsJsonArray("draws").get(0).getAsJsonObject();
    assertThat(draw.get("prompt").getAsString()).isEqualTo(facts.get("draw_prompt").getAsString());
    try (TinyJanus tiny = TinyJanus.open(layout, DType.BFLOAT16)) {
      List<Integer> codes =
          tiny.drawGreedily(
              JanusGoldenTest.list(draw, "input_ids").stream().mapToInt(i -> i).toArray(),
              JanusGoldenTest.list(draw, "unconditional_ids").stream().mapToInt(i -> i).toArray(),
              facts.get("guidance").getAsDouble());

      assertThat(codes).isEqualTo(JanusGoldenTest.list(facts, "bf16_codes"));
    }
  }
}
