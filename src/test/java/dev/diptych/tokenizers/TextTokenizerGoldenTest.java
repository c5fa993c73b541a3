package dev.diptych.tokenizers;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.diptych.tokenizers.TextTokenizer.Controls;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.stream.IntStream;
import org.assertj.core.api.SoftAssertions;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Ids and texts equal those of the reference, for every kind of tokenizer in golden/text. */
class TextTokenizerGoldenTest {
  private static final String BYTE_LEVEL_AND_LLAMA =
      "deepseek,llama3,qwen2,gpt2,llama-prepend,llama-first";

  @ParameterizedTest
  @ValueSource(
      strings = {"deepseek", "llama3", "qwen2", "gpt2", "llama-prepend", "llama-first"})
  void encodesTextAsTheReferenceDoes(String name) throws IOException {
    SoftAssertions softly = new SoftAssertions();
    try (TextTokenizer tokenizer = load(name)) {
      for (JsonElement each : golden(name).getAsJsonArray("texts")) {
        String text = each.getAsJsonObject().get("text").getAsString();

        softly
            .assertThat(tokenizer.encodeText(text))
            .as("%s: %s", name, TokenizerJson.quote(text))
            .isEqualTo(ids(each, "ids"));
        softly
            .assertThat(tokenizer.encodeTextBehindControl(text))
            .as("%s behind a control token: %s", name, TokenizerJson.quote(text))
            .isEqualTo(ids(each, "behind"));
      }
    }
    softly.assertAll();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "deepseek", "llama3", "qwen2", "gpt2", "llama-prepend", "llama-first", "unigram"
      })
  void encodesTemplatesAsTheReferenceDoes(String name) throws IOException {
    SoftAssertions softly = new SoftAssertions();
    try (TextTokenizer tokenizer = load(name)) {
      for (JsonElement each : golden(name).getAsJsonArray("templates")) {
        String template = each.getAsJsonObject().get("template").getAsString();

        softly
            .assertThat(tokenizer.encodeTemplate(template))
            .as("%s: %s", name, TokenizerJson.quote(template))
            .isEqualTo(ids(each, "ids"));
      }
    }
    softly.assertAll();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "deepseek", "llama3", "qwen2", "gpt2", "llama-prepend", "llama-first", "unigram"
      })
  void decodesAsTheReferenceDoesPieceByPiece(String name) throws IOException {
    SoftAssertions softly = new SoftAssertions();
    try (TextTokenizer tokenizer = load(name)) {
      for (JsonElement each : golden(name).getAsJsonArray("sequences")) {
        int[] ids = ids(each, "ids");
        String shown = each.getAsJsonObject().get("shown").getAsString();
        String skipped = each.getAsJsonObject().get("skipped").getAsString();

        softly.assertThat(tokenizer.decode(ids, Controls.SHOW)).isEqualTo(shown);
        softly.assertThat(tokenizer.decode(ids, Controls.SKIP)).isEqualTo(skipped);
      }
    }
    softly.assertAll();
  }

  @ParameterizedTest
  @ValueSource(strings = {"tr-TR", "ar-EG", "th-TH-u-nu-thai"})
  void givesTheSameIdsInEveryLocale(String tag) throws IOException {
    Locale before = Locale.getDefault();
    Locale.setDefault(Locale.forLanguageTag(tag));
    try {
      for (String name : BYTE_LEVEL_AND_LLAMA.split(",")) {
        encodesTextAsTheReferenceDoes(name);
        decodesAsTheReferenceDoesPieceByPiece(name);
      }
    } finally {
      Locale.setDefault(before);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"deepseek", "llama3", "llama-first", "unigram"})
  void countsTheIdsAsTheReferenceDoes(String name) throws IOException {
    try (TextTokenizer tokenizer = load(name)) {
      assertThat(tokenizer.vocabSize()).isEqualTo(golden(name).get("vocab_size").getAsInt());
    }
  }

  static Path folder(String name) {
    return Path.of(System.getProperty("diptych.root"), "src/test/resources/golden/text", name);
  }

  static TextTokenizer load(String name) {
    return TextTokenizer.load(folder(name));
  }

  static JsonObject golden(String name) throws IOException {
    String json = Files.readString(folder(name).resolve("case.json"));
    return JsonParser.parseString(json).getAsJsonObject();
  }

  static int[] ids(JsonElement owner, String key) {
    JsonArray array = owner.getAsJsonObject().getAsJsonArray(key);
    return IntStream.range(0, array.size()).map(i -> array.get(i).getAsInt()).toArray();
  }
}
