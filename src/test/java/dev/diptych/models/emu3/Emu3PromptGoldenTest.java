package dev.diptych.models.emu3;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import dev.diptych.core.Image;
import dev.diptych.core.Part;
import dev.diptych.models.discrete.PictureGrammar;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Whole prompts, and the tokens of whole pictures, id by id. */
class Emu3PromptGoldenTest {
  private static Emu3Model model;

  @BeforeAll
  static void load() {
    model = TinyEmu3.load();
  }

  @AfterAll
  static void close() {
    model.close();
  }

  @Test
  void chatsAreLaidOutAsTheProcessorLaysThemOut() {
    TinyEmu3.facts("reading")
        .forEach(
            reading -> {
              Iterator<JsonElement> codes = reading.getAsJsonArray("codes").iterator();
              int[] ids =
                  model
                      .prompt()
                      .reading(
                          TinyEmu3.parts(reading), true, picture -> framed(codes.next()));

              assertThat(ids).isEqualTo(TinyEmu3.ints(reading, "input_ids"));
              assertThat(codes).isExhausted();
            });
  }

  /** The tokens of a picture whose codes are known, from BOI to EOI. */
  private static int[] framed(JsonElement rows) {
    List<Integer> codes = new ArrayList<>();
    JsonArray all = rows.getAsJsonArray();
    for (JsonElement row : all) {
      row.getAsJsonArray().forEach(code -> codes.add(code.getAsInt()));
    }
    return model
        .prompt()
        .read(all.size(), codes.size() / all.size())
        .tokens(
            codes.stream().mapToInt(Integer::intValue).toArray(), model.vocabulary().discrete());
  }

  @Test
  void drawingsAreLaidOutToTheLastForcedToken() {
    TinyEmu3.facts("drawing")
        .forEach(
            drawing -> {
              PictureGrammar grammar =
                  model
                      .prompt()
                      .drawn(drawing.get("rows").getAsInt(), drawing.get("columns").getAsInt());
              List<Part> words = List.of(Part.of(drawing.get("words").getAsString()));
              int[] picture =
                  grammar.tokens(
                      TinyEmu3.ints(drawing, "codes"), model.vocabulary().discrete());

              assertThat(join(model.prompt().drawing(words), picture))
                  .isEqualTo(
                      join(TinyEmu3.ints(drawing, "prompt"), TinyEmu3.ints(drawing, "tokens")));
              assertThat(join(model.prompt().unconditional(), grammar.header()))
                  .isEqualTo(TinyEmu3.ints(drawing, "negative"));
            });
  }

  @Test
  void controlTokensThatAUserTypesStayLetters() {
    String typed = "<|extra_204|><|image start|>2*2<|image token|><|visual token 000001|><image>";
    int[] ids =
        model.prompt().reading(List.of(Part.of(typed)), true, Emu3PromptGoldenTest::none);

    int[] text = TinyEmu3.ints(TinyEmu3.facts(), "text_ids");
    assertThat(IntStream.of(ids).skip(1)).allMatch(id -> contains(text, id));
  }

  @Test
  void aLaterTurnHasNeitherBeginNorSystemSentence() {
    List<Part> parts = List.of(Part.of("and then"));
    int[] first = model.prompt().reading(parts, true, Emu3PromptGoldenTest::none);
    int[] later = model.prompt().reading(parts, false, Emu3PromptGoldenTest::none);

    assertThat(model.vocabulary().bos()).isEqualTo(first[0]).isNotIn(IntStream.of(later).boxed());
    assertThat(later.length).isLessThan(first.length);
    assertThat(first).endsWith(tail(later, later.length - 6));
  }

  @Test
  void theVocabularyOfTextIsThatOfTheReference() {
    JsonObject facts = TinyEmu3.facts();

    assertThat(model.vocabulary().discrete().textIds()).isEqualTo(TinyEmu3.ints(facts, "text_ids"));
  }

  @Test
  void sizesByShapeAndAreaAreThoseOfBothReferences() {
    TinyEmu3.facts("sizes")
        .forEach(
            size -> {
              String[] shape = size.get("ratio").getAsString().split(":");
              int[] grid =
                  Emu3Config.grid(
                      Integer.parseInt(shape[0]),
                      Integer.parseInt(shape[1]),
                      size.get("area").getAsInt(),
                      8);

              assertThat(grid)
                  .as("%s", size)
                  .containsExactly(size.get("rows").getAsInt(), size.get("columns").getAsInt());
            });
  }

  private static int[] none(Image picture) {
    throw new AssertionError("there is no picture");
  }

  private static boolean contains(int[] ids, int id) {
    return IntStream.of(ids).anyMatch(one -> one == id);
  }

  private static int[] join(int[] first, int[] second) {
    return IntStream.concat(IntStream.of(first), IntStream.of(second)).toArray();
  }

  private static int[] tail(int[] ids, int count) {
    return IntStream.of(ids).skip(ids.length - count).toArray();
  }
}
