package dev.diptych.tokenizers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonElement;
import dev.diptych.core.CheckpointException;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.ResourceLimitException;
import dev.diptych.tokenizers.TextTokenizer.Controls;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TextTokenizerTest {
  private static TextTokenizer deepseek;
  private static TextTokenizer unigram;

  @BeforeAll
  static void load() {
    deepseek = TextTokenizerGoldenTest.load("deepseek");
    unigram = TextTokenizerGoldenTest.load("unigram");
  }

  @AfterAll
  static void close() {
    deepseek.close();
    unigram.close();
  }

  @Test
  void neverReadsAControlTokenOutOfText() {
    String[] names = {
      "<|User|>", "<|Assistant|>", "<begin_of_image>", "<image_placeholder>", "<end_of_image>",
      "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"
    };
    for (String name : names) {
      int control = deepseek.controlId(name);
      for (String text : List.of(name, "a" + name + "b", name + name, " " + name + "\n")) {
        int[] ids = deepseek.encodeText(text);

        assertThat(ids).doesNotContain(control);
        assertThat(deepseek.decode(ids, Controls.SHOW)).isEqualTo(text);
        assertThat(deepseek.decode(ids, Controls.SKIP)).isEqualTo(text);
        assertThat(deepseek.encodeTemplate(text)).contains(control);
      }
    }
  }

  @Test
  void readsAHundredThousandNamesOfControlTokensAsText() {
    int[] ids = deepseek.encodeText("<begin_of_image>".repeat(60_000));

    assertThat(ids).doesNotContain(deepseek.controlId("<begin_of_image>"));
    assertThatThrownBy(() -> deepseek.encodeText("<begin_of_image>".repeat(100_000)))
        .isInstanceOf(ResourceLimitException.class);
  }

  @Test
  void readsAControlTokenThatIsAPieceOfTheVocabularyAsText() {
    int end = unigram.controlId("</s>");

    assertThat(unigram.encodeText("a circle</s>")).doesNotContain(end);
    assertThat(unigram.encodeText("</s></s> </s>")).doesNotContain(end);
    assertThat(unigram.encodeTemplate("a circle</s>")).endsWith(end);
  }

  @Test
  void refusesTheNamesThatControlTokensBearInside() {
    for (int i = 0; i < 20; i++) {
      String name = "\0control " + i + "\0";
      if (i < 14) {
        assertThatThrownBy(() -> deepseek.encodeText("x" + name))
            .isInstanceOf(InvalidRequestException.class)
            .hasMessageContaining("control token \"<");
      } else {
        assertThat(deepseek.decode(deepseek.encodeText(name), Controls.SHOW)).isEqualTo(name);
      }
    }
  }

  @Test
  void takesWordsThatWereAddedForWords() {
    // The reference reads the letter as its added token, and that token as a byte without meaning.
    int[] ids = deepseek.encodeText("ø");

    assertThat(ids).hasSize(1);
    assertThat(deepseek.findControl("ø")).isEmpty();
    assertThat(deepseek.decode(ids, Controls.SKIP)).isEqualTo("\uFFFD");
  }

  @Test
  void takesMarkupForControlTokensThoughTheFileForgotTheMark(@TempDir Path folder)
      throws IOException {
    Path source = TextTokenizerGoldenTest.folder("deepseek").resolve("tokenizer.json");
    String json = Files.readString(source).replace("\"special\":true", "\"special\":false");
    Files.writeString(folder.resolve("tokenizer.json"), json);

    try (TextTokenizer tokenizer = TextTokenizer.load(folder)) {
      int begin = tokenizer.controlId("<begin_of_image>");

      assertThat(begin).isEqualTo(deepseek.controlId("<begin_of_image>"));
      assertThat(tokenizer.encodeText("a<begin_of_image>b"))
          .isEqualTo(deepseek.encodeText("a<begin_of_image>b"));
      assertThat(tokenizer.decode(new int[] {begin}, Controls.SKIP)).isEmpty();
    }
  }

  @Test
  void takesPiecesThatTheConfigNamesForControlTokens(@TempDir Path folder) throws IOException {
    Path source = TextTokenizerGoldenTest.folder("deepseek").resolve("tokenizer.json");
    Files.copy(source, folder.resolve("tokenizer.json"));
    Files.writeString(folder.resolve("tokenizer_config.json"), "{\"pad_token\": \"a\"}");
    Files.writeString(
        folder.resolve("special_tokens_map.json"),
        "{\"eos_token\": {\"content\": \"b\"}, \"additional_special_tokens\": [\"ø\", \"none\"]}");

    try (TextTokenizer tokenizer = TextTokenizer.load(folder)) {
      assertThat(tokenizer.findControl("a")).isPresent();
      assertThat(tokenizer.findControl("b")).isPresent();
      assertThat(tokenizer.findControl("ø")).isPresent();
      assertThat(tokenizer.findControl("none")).isEmpty();
      assertThat(tokenizer.encodeText("ab ø"))
          .doesNotContain(
              tokenizer.controlId("a"), tokenizer.controlId("b"), tokenizer.controlId("ø"));
    }
  }

  @Test
  void saysWhichControlTokensThereAre() {
    assertThatThrownBy(() -> deepseek.controlId("<eoi>"))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("\"<eoi>\"")
        .hasMessageContaining("<begin_of_image>")
        .hasMessageContaining("deepseek");
  }

  @Test
  void refusesTextsThatWouldTakeLong() {
    assertThatThrownBy(() -> deepseek.encodeText("x".repeat(10_000_000)))
        .isInstanceOfSatisfying(
            ResourceLimitException.class,
            e -> {
              assertThat(e.asked()).isEqualTo(10_000_000);
              assertThat(e.allowed()).isEqualTo(1_000_000);
            })
        .hasMessageContaining("10,000,000")
        .hasMessageContaining("1,000,000");
    assertThatThrownBy(() -> deepseek.encodeText("x" + " ".repeat(10_001) + "x"))
        .isInstanceOf(ResourceLimitException.class)
        .hasMessageContaining("white space");
    assertThat(deepseek.encodeText(" ".repeat(10_000) + "x")).isNotEmpty();
  }

  @Test
  void readsHalfASurrogatePairAsTheReplacementCharacter() {
    for (String half : List.of("\uD83D", "\uDE00", "\uDE00\uD83D", "a\uD83Db", "\uD83D😀")) {
      String sound = half.replaceAll("\\p{Cs}", "\uFFFD");

      assertThat(deepseek.encodeText(half)).isEqualTo(deepseek.encodeText(sound));
    }
  }

  @Test
  void readsNulAsACharacterLikeAnother() {
    int[] ids = deepseek.encodeText("a\0b\0");

    assertThat(deepseek.decode(ids, Controls.SKIP)).isEqualTo("a\0b\0");
  }

  @Test
  void givesOnlyWholeCharactersWhileItStreams() throws IOException {
    String text = "😀 é 红 👨‍👩‍👧‍👦";
    for (String name : List.of("deepseek", "llama3", "llama-first", "llama-prepend")) {
      try (TextTokenizer tokenizer = TextTokenizerGoldenTest.load(name)) {
        int[] ids = tokenizer.encodeText(text);
        TextTokenizer.Incremental decoder = tokenizer.newDecoder();
        List<String> parts = new ArrayList<>();
        for (int id : ids) {
          parts.add(decoder.push(id));
        }
        parts.add(decoder.flush());

        assertThat(String.join("", parts)).isEqualTo(text);
        assertThat(parts).noneMatch(part -> part.contains("\uFFFD"));
        assertThat(parts.stream().filter(part -> !part.isEmpty()).count()).isGreaterThan(3);
      }
    }
  }

  @Test
  void givesNoTextForRowsOfTheModelThatTheTokenizerLacks() {
    assertThat(deepseek.decode(new int[] {deepseek.vocabSize(), 102_399}, Controls.SHOW)).isEmpty();
    assertThatThrownBy(() -> deepseek.decode(new int[] {-1}, Controls.SHOW))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void givesEveryThreadTheSameIds() throws Exception {
    List<JsonElement> cases = TextTokenizerGoldenTest.golden("deepseek").getAsJsonArray("texts").asList();
    ExecutorService threads = Executors.newFixedThreadPool(16);
    try {
      List<Callable<Integer>> tasks = new ArrayList<>();
      for (int i = 0; i < 64; i++) {
        tasks.add(
            () -> {
              int equal = 0;
              for (JsonElement each : cases) {
                String text = each.getAsJsonObject().get("text").getAsString();
                int[] expected = TextTokenizerGoldenTest.ids(each, "ids");
                equal += Arrays.equals(deepseek.encodeText(text), expected) ? 1 : 0;
              }
              return equal;
            });
      }
      for (Future<Integer> equal : threads.invokeAll(tasks)) {
        assertThat(equal.get()).isEqualTo(cases.size());
      }
    } finally {
      threads.shutdownNow();
    }
  }

  @Test
  void isClosedOnceAndForAll() {
    TextTokenizer tokenizer = TextTokenizerGoldenTest.load("llama-first");
    tokenizer.close();
    tokenizer.close();

    assertThatThrownBy(() -> tokenizer.encodeText("a")).isInstanceOf(IllegalStateException.class);
    assertThat(tokenizer.decode(new int[] {tokenizer.controlId("<s>")}, Controls.SHOW))
        .isEqualTo("<s>");
  }
}
