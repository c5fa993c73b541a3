package dev.diptych.core.engine;

import dev.diptych.core.engine.WeightLoader.Slice;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Weights that are brought into a kernel's form and read the same rows become one: {@code q_proj},
 * {@code k_proj} and {@code v_proj} are {@code qkv_proj}, {@code gate_proj} and {@code up_proj} are
 * {@code gate_up_proj}. One product with more columns takes less time than three, and what the kernel
 * wants of the rows is made once. A quantised row has its own scales, so nothing else changes. Weights
 * that lie where the file has them stay apart.
 */
final class JoinedProjections {
  private static final Map<String, List<String>> JOINED =
      Map.of(
          "qkv_proj", List.of("q_proj", "k_proj", "v_proj"),
          "gate_up_proj", List.of("gate_proj", "up_proj"));
  private static final Pattern FIRST = Pattern.compile("(.*\\.)(q_proj|gate_proj)(.*)\\.weight");

  private JoinedProjections() {}

  /**
   * {@return the slices with what belongs together joined, biases too, in order}
   *
   * @param linear which tensors {@code core/nn/linear} reads
   */
  static Map<String, Slice> of(Map<String, Slice> slices, Predicate<String> linear) {
    Map<String, Slice> found = new LinkedHashMap<>(slices);
    for (String name : slices.keySet()) {
      Matcher first = FIRST.matcher(name);
      if (first.matches() && linear.test(name)) {
        JOINED.forEach(
            (joined, parts) -> {
              if (parts.get(0).equals(first.group(2))) {
                join(found, first.group(1), parts, joined, first.group(3), linear);
              }
            });
      }
    }
    return found;
  }

  private static void join(
      Map<String, Slice> slices,
      String before,
      List<String> parts,
      String joined,
      String after,
      Predicate<String> linear) {
    List<String> weights = parts.stream().map(p -> before + p + after + ".weight").toList();
    List<String> biases = parts.stream().map(p -> before + p + after + ".bias").toList();
    boolean biased = biases.stream().anyMatch(slices::containsKey);
    if (!weights.stream().allMatch(linear)
        || !joins(slices, weights, 2)
        || biased && !joins(slices, biases, 1)) {
      return;
    }
    replace(slices, weights, before + joined + after + ".weight");
    if (biased) {
      replace(slices, biases, before + joined + after + ".bias");
    }
  }

  private static boolean joins(Map<String, Slice> slices, List<String> names, int sides) {
    List<Slice> all = names.stream().map(slices::get).filter(Objects::nonNull).toList();
    return all.size() == names.size()
        && all.stream()
            .allMatch(
                s ->
                    s.shape().size() == sides
                        && (s.dimension() == 0 || s.pieces().size() == 1)
                        && s.shape().subList(1, sides)
                            .equals(all.get(0).shape().subList(1, sides)));
  }

  private static void replace(Map<String, Slice> slices, List<String> names, String joined) {
    List<Slice.Piece> pieces = new ArrayList<>();
    List<Long> shape = new ArrayList<>(slices.get(names.get(0)).shape());
    shape.set(0, names.stream().mapToLong(n -> slices.get(n).shape().get(0)).sum());
    for (String name : names) {
      pieces.addAll(slices.remove(name).pieces());
    }
    slices.put(joined, new Slice(pieces, 0, shape));
  }
}
