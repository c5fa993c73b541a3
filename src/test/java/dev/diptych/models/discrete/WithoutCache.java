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
    return answer(transformer, vocabulary, ids, ids.length, 1, tokens);
  }

  /**
   * {@return the same, with a penalty on tokens that were read or written}
   *
   * @param from where the tokens begin that count
   */
  public static List<Integer> answer(
      DiscreteTransformer transformer,
      DiscreteVocabulary vocabulary,
      int[] ids,
      int from,
      float penalty,
      int tokens) {
    int[] allowed =
        IntStream.concat(
                Arrays.stream(vocabulary.textIds()), IntStream.of(vocabulary.endOfText()))
            .toArray();
    List<Integer> answer = new ArrayList<>();
    int[] all = ids;
    while (answer.size() < tokens) {
      float[] logits = transformer.allLogits(all);
      int last = logits.length - transformer.config().vocabSize();
      Arrays.stream(all, from, all.length)
          .distinct()
          .forEach(
              id -> logits[last + id] *= logits[last + id] < 0 ? penalty : 1 / penalty);
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

  /** {@return the logits at every position, [T, V]} */
  public static float[] logits(DiscreteTransformer transformer, int[] ids) {
    return transformer.allLogits(ids);
  }

  /** {@return the mean divergence of the distributions at so many positions, in nats} */
  public static double divergence(float[] exact, float[] found, int positions) {
    int size = exact.length / positions;
    double sum = 0;
    for (int t = 0; t < positions; t++) {
      double[] p = logSoftmax(exact, t * size, size);
      double[] q = logSoftmax(found, t * size, size);
      for (int v = 0; v < size; v++) {
        sum += Math.exp(p[v]) * (p[v] - q[v]);
      }
    }
    return sum / positions;
  }

  private static double[] logSoftmax(float[] logits, int from, int size) {
    double most = Double.NEGATIVE_INFINITY;
    for (int v = 0; v < size; v++) {
      most = Math.max(most, logits[from + v]);
    }
    double sum = 0;
    for (int v = 0; v < size; v++) {
      sum += Math.exp(logits[from + v] - most);
    }
    double[] all = new double[size];
    for (int v = 0; v < size; v++) {
      all[v] = logits[from + v] - most - Math.log(sum);
    }
    return all;
  }
}
