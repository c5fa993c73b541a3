package dev.diptych.models.discrete;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.Output;
import dev.diptych.models.discrete.ModalitySwitch.Allowed;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;

/** What may follow what, token by token. */
class ModalitySwitchTest {
  private static final int END = 2;
  private static final int BEGIN_OF_IMAGE = 20;
  private static final int END_OF_IMAGE = 21;
  private static final int ROW_END = 22;
  private static final int WORD = 30;
  private static final DiscreteVocabulary VOCABULARY =
      new DiscreteVocabulary(
          new int[] {4, 5, 6, 7}, new int[] {30, 31}, END, BEGIN_OF_IMAGE, END_OF_IMAGE);
  private static final PictureGrammar PLAIN = PictureGrammar.plain(2, END_OF_IMAGE);
  private static final PictureGrammar ROWS =
      new PictureGrammar(
          new int[] {40, 41}, 2, 3, OptionalInt.of(ROW_END), new int[] {23, END_OF_IMAGE, END});

  @Test
  void textModeNeverOpensAPicture() {
    ModalitySwitch modality = new ModalitySwitch(VOCABULARY, null, Output.TEXT, 100, 9, false);

    assertThat(modality.allowed(10)).isEqualTo(Allowed.TEXT);
    modality.accept(WORD);
    assertThat(modality.allowed(11)).isEqualTo(Allowed.TEXT);
    modality.accept(END);
    assertThat(modality.allowed(12)).isEqualTo(Allowed.NOTHING);
  }

  @Test
  void pictureModeOpensOneAtOnceAndEndsBehindIt() {
    ModalitySwitch modality =
        new ModalitySwitch(VOCABULARY, one(PLAIN), Output.IMAGE, 100, 1, false);

    assertThat(stream(modality, 10))
        .containsExactly("FORCED 20", "CODE", "CODE", "CODE", "CODE", "FORCED 21", "NOTHING");
  }

  @Test
  void wordsMayStandBeforeADrawingThatIsThoughtOver() {
    ModalitySwitch modality =
        new ModalitySwitch(VOCABULARY, one(PLAIN), Output.IMAGE, 100, 1, true);

    assertThat(modality.allowed(10)).isEqualTo(Allowed.TEXT_OR_PICTURE);
    modality.accept(WORD);
    assertThat(modality.allowed(92)).isEqualTo(Allowed.TEXT_OR_PICTURE);
    assertThat(modality.allowed(95)).as("the picture must fit").isEqualTo(Allowed.FORCED);
    modality.ceaseThinking();
    assertThat(stream(modality, 11))
        .containsExactly("FORCED 20", "CODE", "CODE", "CODE", "CODE", "FORCED 21", "NOTHING");
  }

  @Test
  void headerRowEndsAndTailAreForced() {
    ModalitySwitch modality =
        new ModalitySwitch(VOCABULARY, one(ROWS), Output.IMAGE, 100, 1, false);

    assertThat(stream(modality, 10))
        .containsExactly(
            "FORCED 20", "FORCED 40", "FORCED 41", "CODE", "CODE", "CODE", "FORCED 22", "CODE",
            "CODE", "CODE", "FORCED 22", "FORCED 23", "FORCED 21", "FORCED 2", "NOTHING");
  }

  @Test
  void interleavedGoesBackToTextBehindEveryPicture() {
    ModalitySwitch modality =
        new ModalitySwitch(VOCABULARY, one(PLAIN), Output.INTERLEAVED, 100, 2, false);
    assertThat(modality.allowed(10)).isEqualTo(Allowed.TEXT_OR_PICTURE);
    modality.accept(WORD);
    int length = 11;
    for (int picture = 0; picture < 2; picture++) {
      assertThat(modality.allowed(length)).isEqualTo(Allowed.TEXT_OR_PICTURE);
      modality.accept(BEGIN_OF_IMAGE);
      for (int code = 0; code < 4; code++) {
        assertThat(modality.allowed(length)).isEqualTo(Allowed.CODE);
        modality.accept(5);
      }
      assertThat(modality.forced()).isEqualTo(END_OF_IMAGE);
      modality.accept(END_OF_IMAGE);
      length += 6;
    }

    assertThat(modality.allowed(length)).as("two pictures were the most").isEqualTo(Allowed.TEXT);
    modality.accept(END);
    assertThat(modality.allowed(length)).isEqualTo(Allowed.NOTHING);
  }

  /** The reference forbids the opening token from max_seq_len - 1026 on, for pictures of 1024. */
  @Test
  void aPictureThatWouldNotFitIsNotOpened() {
    int context = 4096;
    ModalitySwitch modality =
        new ModalitySwitch(
            VOCABULARY,
            one(PictureGrammar.plain(32, END_OF_IMAGE)),
            Output.INTERLEAVED,
            context,
            9,
            false);

    assertThat(modality.allowed(context - 1027)).isEqualTo(Allowed.TEXT_OR_PICTURE);
    assertThat(modality.allowed(context - 1026)).isEqualTo(Allowed.TEXT);
  }

  /** Sizes 1 x 2, 2 x 1 and 2 x 2: the second token of the header depends on the first. */
  @Test
  void theModelChoosesALayoutByTheHeader() {
    PictureLayouts layouts =
        new PictureLayouts(List.of(sized(1, 2), sized(2, 1), sized(2, 2)));
    ModalitySwitch modality =
        new ModalitySwitch(VOCABULARY, layouts, Output.INTERLEAVED, 100, 9, false);
    modality.accept(BEGIN_OF_IMAGE);

    assertThat(modality.allowed(11)).isEqualTo(Allowed.CHOICE);
    assertThat(modality.choices()).containsExactly(41, 42);
    assertThat(modality.grammar()).isNull();
    modality.accept(42);
    assertThat(modality.allowed(12)).isEqualTo(Allowed.CHOICE);
    assertThat(modality.choices()).containsExactly(41, 42);
    modality.accept(41);
    assertThat(modality.grammar()).isEqualTo(layouts.all().get(1));
    assertThat(stream(modality, 13).subList(0, 6))
        .containsExactly("CODE", "FORCED 22", "CODE", "FORCED 22", "FORCED 21", "TEXT_OR_PICTURE");

    modality = new ModalitySwitch(VOCABULARY, layouts, Output.IMAGE, 100, 1, false);
    modality.accept(BEGIN_OF_IMAGE);
    modality.accept(41);
    assertThat(stream(modality, 12))
        .as("one row has one width")
        .containsExactly("FORCED 42", "CODE", "CODE", "FORCED 22", "FORCED 21", "NOTHING");
  }

  /** Whatever the model chooses, it must fit. */
  @Test
  void theLongestLayoutDecidesWhetherAPictureFits() {
    PictureLayouts layouts = new PictureLayouts(List.of(sized(1, 2), sized(2, 2)));
    ModalitySwitch modality =
        new ModalitySwitch(VOCABULARY, layouts, Output.INTERLEAVED, 100, 9, false);

    assertThat(layouts.longest()).isEqualTo(2 + 6 + 1);
    assertThat(modality.allowed(89)).isEqualTo(Allowed.TEXT_OR_PICTURE);
    assertThat(modality.allowed(90)).isEqualTo(Allowed.TEXT);
  }

  @Test
  void layoutsThatLookAlikeAreRefused() {
    assertThatThrownBy(() -> new PictureLayouts(List.of(sized(1, 2), sized(1, 2))))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("[41, 42] twice");
    assertThatThrownBy(() -> new PictureLayouts(List.of(sized(1, 2), PLAIN)))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("expected headers of 2 tokens");
  }

  @Test
  void knownPicturesAreLaidOutAsDrawnOnes() {
    assertThat(ROWS.tokens(new int[] {0, 1, 2, 3, 2, 1}, VOCABULARY))
        .containsExactly(20, 40, 41, 4, 5, 6, 22, 7, 6, 5, 22, 23, 21, 2);
    assertThat(ROWS.length()).isEqualTo(13);
    assertThat(PLAIN.length()).isEqualTo(5);
  }

  @Test
  void codesMustAscendWithTheirTokens() {
    assertThatThrownBy(
            () -> new DiscreteVocabulary(new int[] {4, 6, 5}, new int[0], 2, 20, 21))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("token 5 for code 2 behind token 6");
  }

  private static PictureLayouts one(PictureGrammar grammar) {
    return new PictureLayouts(List.of(grammar));
  }

  private static PictureGrammar sized(int rows, int columns) {
    return new PictureGrammar(
        new int[] {40 + rows, 40 + columns},
        rows,
        columns,
        OptionalInt.of(ROW_END),
        new int[] {END_OF_IMAGE});
  }

  private static List<String> stream(ModalitySwitch modality, int length) {
    List<String> found = new ArrayList<>();
    while (found.size() < 50) {
      Allowed allowed = modality.allowed(length++);
      boolean forced = allowed == Allowed.FORCED;
      found.add(forced ? "FORCED " + modality.forced() : allowed.name());
      if (allowed == Allowed.NOTHING) {
        break;
      }
      modality.accept(forced ? modality.forced() : 4);
    }
    return found;
  }
}
