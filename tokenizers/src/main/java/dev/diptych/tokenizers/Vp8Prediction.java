package dev.diptych.tokenizers;

/**
 * Prediction from the samples around a block, and the transforms (RFC 6386, sections 12 and 14).
 */
final class Vp8Prediction {
  static final int DC = 0;
  static final int TRUE_MOTION = 1;
  static final int VERTICAL = 2;
  static final int HORIZONTAL = 3;
  static final int RIGHT_DOWN = 4;
  static final int VERTICAL_RIGHT = 5;
  static final int LEFT_DOWN = 6;
  static final int VERTICAL_LEFT = 7;
  static final int HORIZONTAL_DOWN = 8;
  static final int HORIZONTAL_UP = 9;

  private Vp8Prediction() {}

  /**
   * Predicts a square of 16 (luma) or 8 (chroma).
   *
   * @param hasAbove whether there is picture above; counts for DC alone, the others read the border
   */
  static void predictSquare(
      Vp8Plane plane, int start, int size, int mode, boolean hasAbove, boolean hasLeft) {
    int stride = plane.stride;
    int dc = mode == DC ? dc(plane, start, size, hasAbove, hasLeft) : 0;
    int corner = plane.get(start - stride - 1);
    for (int y = 0; y < size; y++) {
      int row = start + y * stride;
      int left = plane.get(row - 1);
      for (int x = 0; x < size; x++) {
        int above = plane.get(start - stride + x);
        int value =
            switch (mode) {
              case DC -> dc;
              case VERTICAL -> above;
              case HORIZONTAL -> left;
              default -> left + above - corner;
            };
        plane.set(row + x, value);
      }
    }
  }

  private static int dc(Vp8Plane plane, int start, int size, boolean hasAbove, boolean hasLeft) {
    if (!hasAbove && !hasLeft) {
      return 128;
    }
    int sum = 0;
    for (int i = 0; i < size; i++) {
      sum += hasAbove ? plane.get(start - plane.stride + i) : 0;
      sum += hasLeft ? plane.get(start + i * plane.stride - 1) : 0;
    }
    int count = hasAbove && hasLeft ? 2 * size : size;
    return (sum + count / 2) / count;
  }

  /**
   * Predicts a 4x4 block of luma.
   *
   * @param aboveRight the four samples above to the right, which do not always lie there
   */
  static void predictBlock(Vp8Plane plane, int start, int mode, int[] aboveRight) {
    // The samples around the block, from the lower left up and on to the upper right:
    // edge[0..3] = left from below, edge[4] = corner, edge[5..12] = above.
    int[] edge = new int[13];
    for (int i = 0; i < 4; i++) {
      edge[3 - i] = plane.get(start + i * plane.stride - 1);
      edge[5 + i] = plane.get(start - plane.stride + i);
      edge[9 + i] = aboveRight[i];
    }
    edge[4] = plane.get(start - plane.stride - 1);
    for (int y = 0; y < 4; y++) {
      for (int x = 0; x < 4; x++) {
        plane.set(start + y * plane.stride + x, sample(edge, mode, x, y));
      }
    }
  }

  private static int sample(int[] e, int mode, int x, int y) {
    return switch (mode) {
      case DC -> blockDc(e);
      case TRUE_MOTION -> e[3 - y] + e[5 + x] - e[4];
      case VERTICAL -> smooth(e, 5 + x);
      case HORIZONTAL -> y == 3 ? (e[1] + 3 * e[0] + 2) >> 2 : smooth(e, 3 - y);
      case RIGHT_DOWN -> smooth(e, 4 + x - y);
      case VERTICAL_RIGHT -> verticalRight(e, x, y);
      case LEFT_DOWN -> x + y == 6 ? (e[11] + 3 * e[12] + 2) >> 2 : smooth(e, 6 + x + y);
      case VERTICAL_LEFT -> verticalLeft(e, x, y);
      case HORIZONTAL_DOWN -> horizontalDown(e, x, y);
      default -> horizontalUp(e, x, y);
    };
  }

  private static int blockDc(int[] e) {
    int sum = 4;
    for (int i = 0; i < 4; i++) {
      sum += e[i] + e[5 + i];
    }
    return sum >> 3;
  }

  private static int smooth(int[] e, int i) {
    return (e[i - 1] + 2 * e[i] + e[i + 1] + 2) >> 2;
  }

  private static int mean(int[] e, int i) {
    return (e[i] + e[i + 1] + 1) >> 1;
  }

  private static int verticalRight(int[] e, int x, int y) {
    int along = 2 * x - y;
    if (along < 0) {
      return smooth(e, 5 + along);
    }
    return (along & 1) == 0 ? mean(e, 4 + along / 2) : smooth(e, 4 + (along + 1) / 2);
  }

  private static int verticalLeft(int[] e, int x, int y) {
    // The last column of the lower rows goes on smoothing where the others would take means.
    if (x == 3 && y >= 2) {
      return smooth(e, 8 + y);
    }
    int i = 5 + x + y / 2;
    return (y & 1) == 0 ? mean(e, i) : smooth(e, i + 1);
  }

  private static int horizontalDown(int[] e, int x, int y) {
    int along = 2 * y - x;
    if (along < 0) {
      return smooth(e, 3 - along);
    }
    return (along & 1) == 0 ? mean(e, 3 - along / 2) : smooth(e, 4 - (along + 1) / 2);
  }

  private static int horizontalUp(int[] e, int x, int y) {
    int along = 2 * y + x;
    if (along > 5) {
      return e[0];
    }
    if (along == 5) {
      return (e[1] + 3 * e[0] + 2) >> 2;
    }
    return (along & 1) == 0 ? mean(e, 2 - along / 2) : smooth(e, 2 - along / 2);
  }

  /** Spreads the DC of DCs over the sixteen luma blocks (section 14.3). */
  static void inverseWalshHadamard(short[] in, short[] blocks) {
    int[] half = new int[16];
    for (int i = 0; i < 4; i++) {
      int outer = in[i] + in[12 + i];
      int inner = in[4 + i] + in[8 + i];
      int innerDifference = in[4 + i] - in[8 + i];
      int outerDifference = in[i] - in[12 + i];
      half[i] = outer + inner;
      half[4 + i] = outerDifference + innerDifference;
      half[8 + i] = outer - inner;
      half[12 + i] = outerDifference - innerDifference;
    }
    for (int i = 0; i < 4; i++) {
      int outer = half[4 * i] + half[4 * i + 3] + 3;
      int inner = half[4 * i + 1] + half[4 * i + 2];
      int innerDifference = half[4 * i + 1] - half[4 * i + 2];
      int outerDifference = half[4 * i] - half[4 * i + 3] + 3;
      int block = 64 * i;
      blocks[block] = (short) ((outer + inner) >> 3);
      blocks[block + 16] = (short) ((outerDifference + innerDifference) >> 3);
      blocks[block + 32] = (short) ((outer - inner) >> 3);
      blocks[block + 48] = (short) ((outerDifference - innerDifference) >> 3);
    }
  }

  /** Adds the residual of a 4x4 block to its prediction (section 14.4). */
  static void addInverseDct(short[] in, int from, Vp8Plane plane, int start) {
    int[] half = new int[16];
    for (int i = 0; i < 4; i++) {
      int a = in[from + i] + in[from + 8 + i];
      int b = in[from + i] - in[from + 8 + i];
      int c = sine(in[from + 4 + i]) - cosine(in[from + 12 + i]);
      int d = cosine(in[from + 4 + i]) + sine(in[from + 12 + i]);
      half[i] = a + d;
      half[4 + i] = b + c;
      half[8 + i] = b - c;
      half[12 + i] = a - d;
    }
    for (int y = 0; y < 4; y++) {
      int a = half[4 * y] + half[4 * y + 2] + 4;
      int b = half[4 * y] - half[4 * y + 2] + 4;
      int c = sine(half[4 * y + 1]) - cosine(half[4 * y + 3]);
      int d = cosine(half[4 * y + 1]) + sine(half[4 * y + 3]);
      int row = start + y * plane.stride;
      plane.set(row, plane.get(row) + ((a + d) >> 3));
      plane.set(row + 1, plane.get(row + 1) + ((b + c) >> 3));
      plane.set(row + 2, plane.get(row + 2) + ((b - c) >> 3));
      plane.set(row + 3, plane.get(row + 3) + ((a - d) >> 3));
    }
  }

  /** sqrt(2) cos(pi / 8) in 16-bit fixed point. */
  private static int cosine(int value) {
    return value + ((value * 20091) >> 16);
  }

  /** sqrt(2) sin(pi / 8) in 16-bit fixed point. */
  private static int sine(int value) {
    return (value * 35468) >> 16;
  }
}
