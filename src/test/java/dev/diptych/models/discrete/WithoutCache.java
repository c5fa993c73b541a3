package dev.diptych.models.discrete;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/** Answers by a whole prefill for every token: what the caches must agree with. */
public final class WithoutCache {
  private WithoutCache() {}

  /** {@return the likeliest text tokens behind the ids, up to the end of the answer} */
  public static List<Integer> answer(
      DiscreteTransformer transformer, DiscreteVocabulary vocabulary, int[] ids, int tokens) {
    int[] allowed =
        IntStream.concat(
                Arrays.stream(vocabulary.textIds()), IntStream.of(vocabulary.endOfText()))
            .toArray();
    List<Integer> answer = new ArrayList<>();
    int[] all = ids;
    while (answer.size() < tokens) {
      float[] logits = transformer.allLogits(all);
      int last = logits.length - transformer.config().vocabSize();
      int best = allowed[0];
      for (int id : allowed) {
        best = logits[last + id] > logits[last + best] ? id : best;
      }
      answer.add(best);
      all = IntStream.concat(Arrays.stream(all), IntStream.of(best)).toArray();
      if (best == vocabulary.endOfText()) {
        break;
      }
    }
    return answer;
  }
}
