package dev.diptych.models.discrete;

import dev.diptych.core.CheckpointException;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * The layouts that a picture may have. Where there are several, the model tells which by the tokens of
 * the header, chosen one by one among those that still lead to a layout; where there is one, nothing
 * is left to choose.
 *
 * @param all of headers of one length, no two alike
 */
record PictureLayouts(List<PictureGrammar> all) {

  /**
   * Copies the list and checks the headers.
   *
   * @throws CheckpointException if two layouts cannot be told apart by their headers
   */
  PictureLayouts {
    all = List.copyOf(all);
    if (all.isEmpty()) {
      throw new IllegalArgumentException("A picture needs a layout");
    }
    Set<List<Integer>> headers = new HashSet<>();
    for (PictureGrammar grammar : all) {
      List<Integer> header = Arrays.stream(grammar.header()).boxed().toList();
      if (header.size() != all.get(0).header().length || !headers.add(header)) {
        throw new CheckpointException(
            "Two picture layouts cannot be told apart\n  expected headers of "
                + all.get(0).header().length
                + " tokens, no two alike\n  found    "
                + header
                + " twice, or of another length");
      }
    }
  }

  /** {@return how many tokens stand between the one that opens a picture and the first code} */
  int headerLength() {
    return all.get(0).header().length;
  }

  /** {@return most tokens behind the one that opens a picture} */
  int longest() {
    return all.stream().mapToInt(PictureGrammar::length).max().orElseThrow();
  }

  /**
   * {@return the tokens that may stand next in a header, ascending}
   *
   * @param begun the tokens of the header so far
   */
  int[] next(int[] begun) {
    return all.stream()
        .map(PictureGrammar::header)
        .filter(h -> Arrays.equals(begun, Arrays.copyOf(h, begun.length)))
        .mapToInt(h -> h[begun.length])
        .sorted()
        .distinct()
        .toArray();
  }

  /** {@return the layout of a header that is whole} */
  PictureGrammar of(int[] header) {
    return all.stream()
        .filter(g -> Arrays.equals(header, g.header()))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "No picture layout has the header " + Arrays.toString(header)));
  }
}
