package dev.diptych.models.chameleon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.weights.Checkpoint;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Which id is what, and names that cannot be. */
class ChameleonVocabularyTest {

  @ParameterizedTest
  @ValueSource(strings = {"hf", "meta", "lumina-7b-512"})
  void everyIdIsToldByItsName(String layout) {
    try (ChameleonFiles files =
            ChameleonFiles.open(TinyChameleon.checkpoint(layout), LoadOptions.DEFAULT);
        Checkpoint golden = TinyChameleon.goldens(layout)) {
      ChameleonVocabulary v = files.vocabulary();

      assertThat(v.imageIds()).containsExactly(IntStream.range(4, 68).toArray());
      assertThat(v.contiguous()).isTrue();
      assertThat(v.textIds()).containsExactly(TinyChameleon.ints(golden, "text_ids"));
      assertThat(new int[] {v.bos(), v.pad(), v.eos(), v.endOfImage(), v.beginOfImage()})
          .containsExactly(0, 1, 2, 68, 69);
      assertThat(v.endOfTurn()).isEqualTo(70);
      assertThat(v.placeholder().isPresent()).isEqualTo(!layout.equals("meta"));
    }
  }

  /** The real one in small: 8192 codes of up to four letters, in the order of their ids. */
  @Test
  void codesOfFourLettersAreReadAsDecimalDigits() {
    ChameleonVocabulary v = ChameleonVocabulary.of(names(8192, n -> {}), 9000, "here");

    assertThat(v.imageIds()).containsExactly(IntStream.range(4, 8196).toArray());
  }

  @Test
  void idsWithGapsAreKeptInOrder() {
    ChameleonVocabulary v =
        ChameleonVocabulary.of(names(3, n -> n.put("IMGIMGCZ", 50)), 51, "here");

    assertThat(v.imageIds()).containsExactly(4, 5, 50);
    assertThat(v.contiguous()).isFalse();
  }

  @Test
  void wrongNamesAreRefusedWithTheFirstFault() {
    refused(n -> n.remove("IMGIMGFZ"), "19 image codes and none named \"IMGIMGFZ\", code 5");
    refused(n -> n.put("IMGIMGAFZ", 60), "are both code 5");
    refused(n -> n.put("IMGIMGKZ", 60), "\"IMGIMGKZ\" is no image code");
    refused(n -> n.put("IMGIMGJJJJJJJJJZ", 60), "is no image code");
    refused(n -> n.put("IMGIMGDZ", 60), "expected ids in the order of the codes");
    refused(n -> n.put("cat", 64), "the id of \"cat\" is 64; expected 0 to 63");
    refused(n -> n.put("cat", -1), "the id of \"cat\" is -1");
    refused(n -> n.put("cat", 7), "two names have the id 7");
    refused(n -> n.remove("<eoss>"), "no token \"<eoss>\"");
    refused(n -> n.remove("<reserved08706>"), "no token \"<reserved08706>\"");
    refused(n -> n.keySet().removeIf(k -> k.startsWith("IMG")), "no image codes");
  }

  private static void refused(Consumer<Map<String, Integer>> change, String message) {
    assertThatThrownBy(() -> ChameleonVocabulary.of(names(20, change), 64, "here"))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("vocabulary of here")
        .hasMessageContaining(message);
  }

  @Test
  void aCodebookOfAnotherSizeIsRefused() {
    ChameleonVocabulary v = ChameleonVocabulary.of(names(20, n -> {}), 64, "here");

    v.requireCodebook(20, "there");
    assertThatThrownBy(() -> v.requireCodebook(21, "there"))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("20 image codes; expected 21, the codebook of there");
  }

  private static Map<String, Integer> names(int codes, Consumer<Map<String, Integer>> change) {
    Map<String, Integer> names = new LinkedHashMap<>();
    for (String name : new String[] {"<s>", "<pad>", "</s>", "<unk>"}) {
      names.put(name, names.size());
    }
    for (int code = 0; code < codes; code++) {
      StringBuilder name = new StringBuilder("IMGIMG");
      Integer.toString(code).chars().forEach(c -> name.append((char) ('A' + c - '0')));
      names.put(name.append('Z').toString(), names.size());
    }
    for (String name : new String[] {"<eoss>", "<racm3:break>", "<reserved08706>", "<", "dog"}) {
      names.put(name, names.size());
    }
    change.accept(names);
    return names;
  }
}
