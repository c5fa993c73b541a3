package dev.diptych.tokenizers;

/** Smooths the edges between blocks after a whole frame is reconstructed (RFC 6386, section 15). */
final class Vp8LoopFilter {

  /**
   * How strongly one macroblock is filtered.
   *
   * @param limit of the differences across an inner edge, 0 for no filtering
   * @param inside limit of the differences on either side
   * @param steep differences beyond this are an edge of the picture itself
   * @param inner whether the edges inside the macroblock are filtered
   */
  record Strength(int limit, int inside, int steep, boolean inner) {}

  private final Vp8Plane luma;
  private final Vp8Plane[] chroma;
  private final boolean simple;

  Vp8LoopFilter(Vp8Plane luma, Vp8Plane u, Vp8Plane v, boolean simple) {
    this.luma = luma;
    this.chroma = new Vp8Plane[] {u, v};
    this.simple = simple;
  }

  /** Filters a macroblock's left and upper edge and those inside; to be called in reading order. */
  void filter(int column, int row, Strength strength) {
    if (strength.limit() == 0) {
      return;
    }
    filterDirection(column, row, strength, true);
    filterDirection(column, row, strength, false);
  }

  private void filterDirection(int column, int row, Strength strength, boolean across) {
    boolean outer = across ? column > 0 : row > 0;
    filterEdges(luma, 16, column, row, strength, across, outer);
    if (!simple) {
      for (Vp8Plane plane : chroma) {
        filterEdges(plane, 8, column, row, strength, across, outer);
      }
    }
  }

  private void filterEdges(
      Vp8Plane plane, int size, int column, int row, Strength s, boolean across, boolean outer) {
    int start = plane.at(column * size, row * size);
    int step = across ? 1 : plane.stride;
    int along = across ? plane.stride : 1;
    if (outer) {
      filterEdge(plane, start, step, along, size, s, true);
    }
    if (s.inner()) {
      for (int edge = 4; edge < size; edge += 4) {
        filterEdge(plane, start + edge * step, step, along, size, s, false);
      }
    }
  }

  /**
   * Filters one edge.
   *
   * @param start the first sample behind the edge
   * @param step from one side of the edge to the other
   * @param along from one sample of the edge to the next
   */
  private void filterEdge(
      Vp8Plane plane, int start, int step, int along, int size, Strength s, boolean outer) {
    int limit = 2 * (outer ? s.limit() + 4 : s.limit()) + 1;
    for (int i = 0, at = start; i < size; i++, at += along) {
      if (!isWithin(plane, at, step, limit)) {
        continue;
      }
      if (simple) {
        filterTwo(plane, at, step);
      } else if (isSmooth(plane, at, step, s.inside())) {
        if (isSteep(plane, at, step, s.steep())) {
          filterTwo(plane, at, step);
        } else if (outer) {
          filterSix(plane, at, step);
        } else {
          filterFour(plane, at, step);
        }
      }
    }
  }

  private static int difference(Vp8Plane plane, int a, int b) {
    return Math.abs(plane.get(a) - plane.get(b));
  }

  private static boolean isWithin(Vp8Plane plane, int at, int step, int limit) {
    int inner = difference(plane, at - step, at);
    int outer = difference(plane, at - 2 * step, at + step);
    return 4 * inner + outer <= limit;
  }

  private static boolean isSmooth(Vp8Plane plane, int at, int step, int limit) {
    for (int i = 1; i <= 3; i++) {
      boolean before = difference(plane, at - (i + 1) * step, at - i * step) <= limit;
      if (!before || difference(plane, at + i * step, at + (i - 1) * step) > limit) {
        return false;
      }
    }
    return true;
  }

  private static boolean isSteep(Vp8Plane plane, int at, int step, int limit) {
    return difference(plane, at - 2 * step, at - step) > limit
        || difference(plane, at + step, at) > limit;
  }

  private static int signedByte(int value) {
    return Math.max(-128, Math.min(value, 127));
  }

  private static void filterTwo(Vp8Plane plane, int at, int step) {
    int outer = signedByte(plane.get(at - 2 * step) - plane.get(at + step));
    int sum = 3 * (plane.get(at) - plane.get(at - step)) + outer;
    move(plane, at, step, signedByte(sum + 3) >> 3, signedByte(sum + 4) >> 3);
  }

  private static void filterFour(Vp8Plane plane, int at, int step) {
    int sum = 3 * (plane.get(at) - plane.get(at - step));
    int behind = signedByte(sum + 4) >> 3;
    int outer = (behind + 1) >> 1;
    move(plane, at, step, signedByte(sum + 3) >> 3, behind);
    plane.set(at - 2 * step, plane.get(at - 2 * step) + outer);
    plane.set(at + step, plane.get(at + step) - outer);
  }

  private static void filterSix(Vp8Plane plane, int at, int step) {
    int outer = signedByte(plane.get(at - 2 * step) - plane.get(at + step));
    int sum = signedByte(3 * (plane.get(at) - plane.get(at - step)) + outer);
    for (int i = 0; i < 3; i++) {
      int change = (9 * (3 - i) * sum + 63) >> 7;
      int before = at - (i + 1) * step;
      int behind = at + i * step;
      plane.set(before, plane.get(before) + change);
      plane.set(behind, plane.get(behind) - change);
    }
  }

  private static void move(Vp8Plane plane, int at, int step, int before, int behind) {
    plane.set(at - step, plane.get(at - step) + before);
    plane.set(at, plane.get(at) - behind);
  }
}
