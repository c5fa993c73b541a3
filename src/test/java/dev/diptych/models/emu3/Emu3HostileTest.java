package dev.diptych.models.emu3;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import dev.diptych.core.CheckpointException;
import dev.diptych.core.EngineException;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.engine.Value;
import java.io.IOException;
import java.nio.file.Path;
import org.assertj.core.api.AbstractThrowableAssert;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Checkpoints that are wrong in one place each. */
class Emu3HostileTest {
  private static final String SEVENTH = "<|visual token 000007|>";
  private static final String EIGHTH = "<|visual token 000008|>";

  @TempDir private Path parent;

  private Emu3Folder copy() throws IOException {
    return Emu3Folder.copy(parent, "tiny");
  }

  private static AbstractThrowableAssert<?, ? extends Throwable> refused(Emu3Folder folder) {
    return assertThatThrownBy(() -> Emu3Model.load(folder.path(), TinyEmu3.FLOAT32))
        .isInstanceOf(CheckpointException.class);
  }

  @Test
  void aHoleAmongTheCodesIsNamed() throws IOException {
    Emu3Folder folder =
        copy().vocabularyMap(map -> map.add("<|visual token 000048|>", map.remove(SEVENTH)));

    refused(folder).hasMessageContaining("hole").hasMessageContaining(SEVENTH);
  }

  @Test
  void codesAreCountedAgainstTheCodebook() throws IOException {
    Emu3Folder folder =
        copy().config(c -> c.getAsJsonObject("vq_config").addProperty("codebook_size", 47));

    refused(folder)
        .hasMessageContaining("codebook_size 47")
        .hasMessageContaining("found    48 in vocabulary_map");
  }

  @Test
  void aCodeThatTheTokenizerHasElsewhereIsRefused() throws IOException {
    Emu3Folder folder = copy().vocabularyMap(map -> swap(map, SEVENTH, EIGHTH));

    refused(folder).hasMessageContaining(SEVENTH).hasMessageContaining("as in tokenizer.json");
  }

  @Test
  void codesOutOfOrderAreRefused() throws IOException {
    Emu3Folder folder = copy().vocabularyMap(map -> swap(map, SEVENTH, EIGHTH));
    int first = TinyEmu3.facts("drawing").findFirst().map(Emu3HostileTest::code0).orElseThrow();
    folder.tokenizerId(SEVENTH, first + 8).tokenizerId(EIGHTH, first + 7);

    refused(folder).hasMessageContaining("out of order");
  }

  /** The token of code 0, from a drawing that begins with some other code. */
  private static int code0(JsonObject drawing) {
    return TinyEmu3.ints(drawing, "tokens")[0] - TinyEmu3.ints(drawing, "codes")[0];
  }

  private static void swap(JsonObject map, String one, String other) {
    var id = map.get(one);
    map.add(one, map.get(other));
    map.add(other, id);
  }

  @Test
  void aBorderWithTwoIdsIsRefused() throws IOException {
    Emu3Folder folder = copy().vocabularyMap(map -> swap(map, "<|extra_200|>", "a"));

    refused(folder)
        .hasMessageContaining("vocabulary_map.<|extra_200|> is")
        .hasMessageContaining("as in tokenizer.json");
  }

  @Test
  void twoWordsWithOneIdAreRefused() throws IOException {
    refused(copy().vocabularyMap(map -> map.addProperty("a", 0)))
        .hasMessageContaining("an id that no other token has");
  }

  @Test
  void anIdWithoutARowIsRefused() throws IOException {
    refused(copy().vocabularyMap(map -> map.addProperty("a", 352)))
        .hasMessageContaining("is 352; expected")
        .hasMessageContaining("0 to 351");
  }

  @Test
  void aConfigWithoutNamesIsRefused() throws IOException {
    refused(copy().config(c -> c.remove("vocabulary_map")))
        .hasMessageContaining("vocabulary_map is missing");
  }

  @Test
  void anEndThatTheTokenizerHasNotIsRefused() throws IOException {
    refused(copy().textConfig(t -> t.addProperty("eos_token_id", 290)))
        .hasMessageContaining("eos_token_id [290]")
        .hasMessageContaining("299 and 300 in tokenizer.json");
  }

  @Test
  void oneOfSeveralEndsIsEnough() throws IOException {
    Emu3Folder folder = copy();
    JsonArray ends = new JsonArray();
    ends.add(290);
    ends.add(300);
    folder.textConfig(t -> t.add("eos_token_id", ends));

    Emu3Model.load(folder.path(), TinyEmu3.FLOAT32).close();
  }

  @Test
  void aTokenizerWithoutABorderIsRefused() throws IOException {
    Emu3Folder folder =
        copy().json("tokenizer_config.json", t -> t.addProperty("boi_token", "<|no such|>"));

    refused(folder).hasMessageContaining("<|no such|>");
  }

  @Test
  void aTokenizerWithMoreTokensThanTheModelIsRefused() throws IOException {
    Emu3Folder folder =
        copy()
            .json(
                "tokenizer.json",
                t -> {
                  JsonArray added = t.getAsJsonArray("added_tokens");
                  JsonObject token = added.get(0).getAsJsonObject().deepCopy();
                  token.addProperty("id", 352);
                  token.addProperty("content", "<|one more|>");
                  added.add(token);
                });

    refused(folder)
        .hasMessageContaining("expected at most vocab_size 352")
        .hasMessageContaining("found    353");
  }

  @Test
  void missingAndUnusedTensorsAreNamed() throws IOException {
    refused(copy().textConfig(t -> t.addProperty("num_hidden_layers", 3)))
        .hasMessageContaining("9 missing")
        .hasMessageContaining("model.text_model.layers.2.self_attn.q_proj.weight [32, 32]");
    refused(copy().textConfig(t -> t.addProperty("num_hidden_layers", 1)))
        .hasMessageContaining("9 not used");
    refused(copy().textConfig(t -> t.addProperty("num_key_value_heads", 4)))
        .hasMessageContaining("[32, 32]")
        .hasMessageContaining("[16, 32]");
    refused(copy().without("lm_head.weight"))
        .hasMessageContaining("lm_head.weight [352, 32]");
  }

  @Test
  void aTiedHeadNeedsNoTensor() throws IOException {
    Emu3Folder folder = copy().config(c -> c.addProperty("tie_word_embeddings", true));
    folder.without("lm_head.weight");

    try (Emu3Model model = Emu3Model.load(folder.path(), TinyEmu3.FLOAT32)) {
      GenerationOptions two = GenerationOptions.builder().maxTokens(2).build();
      GenerationRequest request = GenerationRequest.builder().text("hello").options(two).build();
      assertThat(model.generate(request).tokenIds()).isNotEmpty();
    }
  }

  @Test
  void aValueOfConfigThatCannotBeIsRefused() throws IOException {
    refused(copy().textConfig(t -> t.addProperty("num_hidden_layers", 1_000_000_000)));
    refused(copy().textConfig(t -> t.addProperty("hidden_size", 0)));
    refused(copy().textConfig(t -> t.addProperty("num_key_value_heads", 3)));
    refused(copy().textConfig(t -> t.addProperty("rms_norm_eps", "NaN")));
    refused(copy().textConfig(t -> t.addProperty("vocab_size", -1)));
    refused(copy().config(c -> c.addProperty("image_area", 0)));
    refused(copy().json("preprocessor_config.json", p -> p.addProperty("spatial_factor", 3)));
  }

  @Test
  void aVariantThatIsNotRunIsNamed() throws IOException {
    unsupported(copy().textConfig(t -> t.addProperty("hidden_act", "gelu")), "hidden_act is gelu");
    unsupported(
        copy().textConfig(t -> t.addProperty("attention_bias", true)), "attention_bias is true");
    unsupported(
        copy()
            .textConfig(
                t -> t.getAsJsonObject("rope_parameters").addProperty("rope_type", "yarn")),
        "rope_type is yarn");
    unsupported(copy().config(c -> c.addProperty("model_type", "Emu3")), "found    Emu3");
  }

  private static void unsupported(Emu3Folder folder, String message) {
    assertThatThrownBy(() -> Emu3Model.load(folder.path(), TinyEmu3.FLOAT32))
        .isInstanceOf(UnsupportedModelException.class)
        .hasMessageContaining(message);
  }

  @Test
  void weightsThatAreNotNumbersEndTheRunInsteadOfARandomAnswer() throws IOException {
    Emu3Folder folder = copy().poison("model.text_model.norm.weight");
    try (Emu3Model model = Emu3Model.load(folder.path(), TinyEmu3.FLOAT32)) {
      long live = Value.live();
      assertThatThrownBy(() -> model.generate(GenerationRequest.builder().text("hello").build()))
          .isInstanceOf(EngineException.class)
          .hasMessageContaining("not finite at token 0");
      assertThatThrownBy(() -> model.draw("a circle"))
          .isInstanceOf(EngineException.class)
          .hasMessageContaining("not finite at step 0 of picture 0");
      assertThat(Value.live()).isEqualTo(live);
    }
  }
}
