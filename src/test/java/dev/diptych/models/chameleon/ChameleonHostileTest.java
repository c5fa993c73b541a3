package dev.diptych.models.chameleon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import dev.diptych.core.CheckpointException;
import dev.diptych.core.DiptychException;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.weights.Weights;
import dev.diptych.models.Diptych;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Checkpoints that are wrong in one place each. */
class ChameleonHostileTest {
  @TempDir private Path folder;

  @Test
  void aTokenizerThatContradictsTheVocabularyMapIsRefused() throws IOException {
    TinyChameleon.copy("hf", folder);
    TinyChameleon.edit(
        folder.resolve("config.json"),
        c -> {
          JsonObject map = c.getAsJsonObject("vocabulary_map");
          map.addProperty("<eoss>", 69);
          map.addProperty("<racm3:break>", 68);
        });

    assertRefused(folder, "disagrees with itself on \"<eoss>\"", "expected 69", "found    68");
  }

  @Test
  void aHoleInTheCodesIsNamed() throws IOException {
    TinyChameleon.copy("lumina-7b-512", folder);
    hf(c -> c.getAsJsonObject("vocabulary_map").remove("IMGIMGBCZ"));

    assertRefused(folder, "63 image codes and none named \"IMGIMGBCZ\", code 12");
  }

  @Test
  void aCodebookThatIsNotTheVocabularysIsRefused() throws IOException {
    TinyChameleon.copy("lumina-7b-512", folder);
    hf(c -> c.getAsJsonObject("vocabulary_map").remove("IMGIMGGDZ"));

    assertRefused(folder, "63 image codes; expected 64, the codebook of config.json: vq_config");
    assertThatThrownBy(() -> open(folder, TinyChameleon.WITH_CODER))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("63 image codes; expected 64");
  }

  @Test
  void anIdBeyondTheEmbeddingTableIsRefused() throws IOException {
    TinyChameleon.copy("hf", folder);
    hf(c -> c.addProperty("vocab_size", 349));

    assertRefused(folder, "is 349; expected 0 to 348");
  }

  @Test
  void valuesOfConfigThatCannotBeAreRefused() throws IOException {
    refusedConfig(c -> c.addProperty("num_hidden_layers", 1_000_000_000));
    refusedConfig(c -> c.addProperty("hidden_size", 0));
    refusedConfig(c -> c.addProperty("num_attention_heads", 5));
    refusedConfig(c -> c.addProperty("num_key_value_heads", 3));
    refusedConfig(c -> c.addProperty("rms_norm_eps", "NaN"));
    refusedConfig(c -> c.getAsJsonObject("vq_config").addProperty("resolution", 7));
    refusedConfig(c -> c.getAsJsonObject("vq_config").addProperty("num_embeddings", 65));
  }

  private void refusedConfig(Consumer<JsonObject> change) throws IOException {
    TinyChameleon.copy("hf", folder);
    hf(change);
    assertThatThrownBy(() -> Diptych.inspect(folder))
        .isInstanceOf(DiptychException.class)
        .hasMessageContaining("expected");
  }

  @Test
  void aVariantThatIsNotRunIsNamed() throws IOException {
    TinyChameleon.copy("hf", folder);
    hf(c -> c.addProperty("attention_bias", true));

    assertThatThrownBy(() -> open(folder, LoadOptions.DEFAULT))
        .isInstanceOf(UnsupportedModelException.class)
        .hasMessageContaining("attention_bias is true");
  }

  @Test
  void aMissingVqganIsToldWithWhereItIsExpected() throws IOException {
    TinyChameleon.copy("meta", folder);
    Files.delete(folder.resolve("tokenizer/vqgan.ckpt"));

    try (ChameleonFiles files = open(folder, LoadOptions.DEFAULT)) {
      assertThatThrownBy(files::requireCoder)
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("vqgan.ckpt beside")
          .hasMessageContaining("withImageCoder");
    }
    assertThatThrownBy(
            () -> open(folder, LoadOptions.DEFAULT.withImageCoder(folder.resolve("nowhere"))))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("No picture coder at");
    assertThatThrownBy(
            () ->
                open(
                    folder,
                    LoadOptions.DEFAULT.withImageCoder(
                        TinyChameleon.checkpoint("lumina-7b-512"))))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("no codebook");
  }

  @Test
  void aMissingTokenizerIsToldWithWhereItIsExpected() throws IOException {
    TinyChameleon.copy("meta", folder);
    Files.delete(folder.resolve("tokenizer/text_tokenizer.json"));

    assertRefused(folder, "text_tokenizer.json is missing", "../../tokenizer");
  }

  /** Meta publishes Llama in folders of the same names. */
  @Test
  void aLlamaIsToldFromAChameleon() throws IOException {
    Path llama = Files.createDirectories(folder.resolve("llama"));
    Files.writeString(
        llama.resolve("params.json"),
        "{\"dim\": 4096, \"n_layers\": 32, \"n_heads\": 32, \"vocab_size\": 32000}");
    Files.write(llama.resolve("consolidated.00.pth"), new byte[8]);
    Files.write(llama.resolve("tokenizer.model"), new byte[8]);

    assertThatThrownBy(() -> Diptych.load(llama))
        .isInstanceOf(UnsupportedModelException.class)
        .hasMessageContaining("no Chameleon")
        .hasMessageContaining("text_tokenizer.json")
        .hasMessageContaining("qk_normalization or swin_norm in params.json");
  }

  @Test
  void shardsThatAreMissingAreNamed() throws IOException {
    TinyChameleon.copy("meta-sharded", folder);
    Path weights = folder.resolve("models/30b");
    Path first = weights.resolve("consolidated.00.pth");
    Files.move(weights.resolve("consolidated.01.pth"), weights.resolve("consolidated.02.pth"));
    assertRefused(folder, "consolidated.01.pth is missing", "2 shards up to consolidated.02.pth");

    Files.delete(weights.resolve("consolidated.02.pth"));
    assertRefused(folder, "model_parallel_size is 2; found 1 file of weights");

    Files.delete(first);
    assertRefused(folder, "No weights in", "consolidated.00.pth");
  }

  @Test
  void shardsOfDifferentShapesAreToldTogether() throws IOException {
    TinyChameleon.copy("meta-sharded", folder);
    Path weights = folder.resolve("models/30b");
    Files.copy(
        TinyChameleon.checkpoint("meta").resolve("models/7b/consolidated.pth"),
        weights.resolve("consolidated.01.pth"),
        java.nio.file.StandardCopyOption.REPLACE_EXISTING);

    try (ChameleonFiles files = open(folder, LoadOptions.DEFAULT)) {
      Weights bound = Weights.of(files.checkpoint());
      ChameleonWeights.bind(bound, files);
      assertThatThrownBy(bound::done)
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("consolidated.01.tok_embeddings.weight expected [350, 16]")
          .hasMessageContaining("found [350, 32]");
    }
  }

  @Test
  void parametersThatCannotBeAreRefused() throws IOException {
    refusedParams(m -> m.addProperty("n_layers", -1));
    refusedParams(m -> m.addProperty("dim", 1 << 30));
    refusedParams(m -> m.addProperty("n_heads", 3));
    refusedParams(m -> m.addProperty("n_heads", 1));
    refusedParams(m -> m.addProperty("n_kv_heads", 1));
    refusedParams(m -> m.addProperty("vocab_size", -1));
    refusedParams(m -> m.addProperty("vocab_size", 351));
    refusedParams(m -> m.addProperty("multiple_of", 0));
    refusedParams(m -> m.addProperty("ffn_dim_multiplier", 1e300));
    refusedParams(m -> m.addProperty("norm_eps", 0));
    refusedParams(m -> m.remove("dim"));
  }

  private void refusedParams(Consumer<JsonObject> change) throws IOException {
    TinyChameleon.copy("meta-sharded", folder);
    TinyChameleon.edit(
        folder.resolve("models/30b/params.json"), p -> change.accept(p.getAsJsonObject("model")));
    assertThatThrownBy(() -> Diptych.inspect(folder))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("expected");
  }

  @Test
  void twoModelsInOneDownloadMustBeToldApart() throws IOException {
    TinyChameleon.copy("meta", folder);
    TinyChameleon.copy("meta-sharded", folder);

    assertRefused(folder, "holds 2 models", "models/30b", "models/7b");
  }

  @Test
  void codesThatTheTokenizerAddsAsWordsStayLetters() throws IOException {
    TinyChameleon.copy("hf", folder);
    TinyChameleon.edit(
        folder.resolve("tokenizer.json"),
        t -> {
          JsonArray added = t.getAsJsonArray("added_tokens");
          JsonObject word = added.get(0).getAsJsonObject().deepCopy();
          word.addProperty("id", 4);
          word.addProperty("content", "IMGIMGAZ");
          word.addProperty("special", false);
          added.add(word);
        });

    try (ChameleonFiles files = open(folder, LoadOptions.DEFAULT);
        var tokenizer = files.openTokenizer()) {
      assertThat(tokenizer.encodeText("a IMGIMGAZ b")).doesNotContain(4);
    }
  }

  private void hf(Consumer<JsonObject> change) throws IOException {
    TinyChameleon.edit(folder.resolve("config.json"), change);
    Files.deleteIfExists(folder.resolve("tokenizer.json"));
  }

  private static ChameleonFiles open(Path folder, LoadOptions options) {
    return ChameleonFiles.open(folder, options);
  }

  private static void assertRefused(Path folder, String... messages) {
    var refused =
        assertThatThrownBy(() -> open(folder, LoadOptions.DEFAULT).close())
            .isInstanceOf(CheckpointException.class);
    for (String message : messages) {
      refused.hasMessageContaining(message);
    }
  }
}
