package dev.diptych.examples.cli;

import dev.diptych.core.Modality;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/** How far the numbers of one model are from those of another, place by place. */
final class Divergence {
  private final Map<Modality, List<Double>> nats = new EnumMap<>(Modality.class);
  private final Map<Modality, Integer> equal = new EnumMap<>(Modality.class);
  private final List<Double> errors = new ArrayList<>();

  /**
   * What is known of one kind of places.
   *
   * @param places how many
   * @param mean of all
   * @param most99 what 99 of 100 do not exceed
   * @param most the largest
   * @param sameChoice share of places at which both find the same likeliest, NaN where nothing is
   *     chosen
   */
  record Figures(int places, double mean, double most99, double most, double sameChoice) {}

  /**
   * Adds one place at which a word or a code is chosen.
   *
   * @param first [V] logits of the model that counts as right, -infinity for what may not come next
   * @param other [V] logits of the other
   */
  void add(Modality what, float[] first, float[] other) {
    nats.computeIfAbsent(what, w -> new ArrayList<>()).add(kullbackLeibler(first, other));
    equal.merge(what, best(first) == best(other) ? 1 : 0, Integer::sum);
  }

  /**
   * Adds one step of denoising.
   *
   * @param first what the model that counts as right said of the noise
   * @param other what the other said
   */
  void add(float[] first, float[] other) {
    double apart = 0;
    double size = 0;
    for (int i = 0; i < first.length; i++) {
      apart += Math.pow((double) other[i] - first[i], 2);
      size += Math.pow(first[i], 2);
    }
    errors.add(Math.sqrt(apart / size));
  }

  /** {@return of words or codes, in nats; null where there was none} */
  Figures choices(Modality what) {
    List<Double> all = nats.get(what);
    return all == null ? null : figures(all, equal.get(what) / (double) all.size());
  }

  /** {@return of steps of denoising, as a share of the length; null where there was none} */
  Figures steps() {
    return errors.isEmpty() ? null : figures(errors, Double.NaN);
  }

  private static Figures figures(List<Double> all, double sameChoice) {
    List<Double> sorted = all.stream().sorted().toList();
    int last = sorted.size() - 1;
    double mean = all.stream().mapToDouble(Double::doubleValue).average().orElseThrow();
    double most99 = sorted.get((int) Math.ceil(0.99 * last));
    return new Figures(sorted.size(), mean, most99, sorted.get(last), sameChoice);
  }

  /** {@return KL(first || other) of the two distributions, in nats} */
  static double kullbackLeibler(float[] first, float[] other) {
    double normFirst = logSum(first);
    double normOther = logSum(other);
    double sum = 0;
    for (int i = 0; i < first.length; i++) {
      double log = first[i] - normFirst;
      if (first[i] != Float.NEGATIVE_INFINITY) {
        sum += Math.exp(log) * (log - (other[i] - normOther));
      }
    }
    // Rounding alone makes it negative.
    return Math.max(0, sum);
  }

  private static double logSum(float[] logits) {
    double most = logits[best(logits)];
    double sum = 0;
    for (float logit : logits) {
      sum += Math.exp(logit - most);
    }
    return most + Math.log(sum);
  }

  private static int best(float[] logits) {
    int best = 0;
    for (int i = 1; i < logits.length; i++) {
      best = logits[i] > logits[best] ? i : best;
    }
    return best;
  }
}
