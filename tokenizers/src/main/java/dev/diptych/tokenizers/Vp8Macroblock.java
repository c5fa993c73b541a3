package dev.diptych.tokenizers;

import java.util.Arrays;

/**
 * Reads and reconstructs macroblocks in order; holds what one tells the next (RFC 6386, 11 to 14).
 */
final class Vp8Macroblock {
  /** Blocks of coefficients: 16 of luma, 4 of U, 4 of V. */
  private static final int BLOCKS = 24;

  private static final int LUMA_AFTER_Y2 = 0;
  private static final int Y2 = 1;
  private static final int CHROMA = 2;
  private static final int LUMA_WITH_DC = 3;

  private final int[] probabilities;

  /** Modes of the blocks above and to the left, four a macroblock. */
  private final int[] modesAbove;

  private final int[] modesLeft = new int[4];

  /** Whether blocks above and to the left had coefficients: 4 luma, 2 U, 2 V, Y2 a macroblock. */
  private final int[] filledAbove;

  private final int[] filledLeft = new int[9];

  private final short[] coefficients = new short[16 * BLOCKS];
  private final short[] dcs = new short[16];
  private final int[] modes = new int[16];
  private boolean blockModes;
  private int chromaMode;

  Vp8Macroblock(int columns, int[] probabilities) {
    this.probabilities = probabilities;
    modesAbove = new int[4 * columns];
    filledAbove = new int[9 * columns];
  }

  void startRow() {
    Arrays.fill(modesLeft, Vp8Prediction.DC);
    Arrays.fill(filledLeft, 0);
  }

  /** {@return whether each 4x4 block of luma has a mode of its own} */
  boolean hasBlockModes() {
    return blockModes;
  }

  void readModes(Vp8BoolDecoder header, int column) {
    blockModes = header.bit(145) == 0;
    if (blockModes) {
      for (int i = 0; i < 16; i++) {
        int above = 4 * column + i % 4;
        int mode = readBlockMode(header, modesAbove[above], modesLeft[i / 4]);
        modes[i] = mode;
        modesAbove[above] = mode;
        modesLeft[i / 4] = mode;
      }
    } else {
      int mode;
      if (header.bit(156) != 0) {
        mode = header.bit(128) != 0 ? Vp8Prediction.TRUE_MOTION : Vp8Prediction.HORIZONTAL;
      } else {
        mode = header.bit(163) != 0 ? Vp8Prediction.VERTICAL : Vp8Prediction.DC;
      }
      modes[0] = mode;
      Arrays.fill(modesAbove, 4 * column, 4 * column + 4, mode);
      Arrays.fill(modesLeft, mode);
    }
    if (header.bit(142) == 0) {
      chromaMode = Vp8Prediction.DC;
    } else if (header.bit(114) == 0) {
      chromaMode = Vp8Prediction.VERTICAL;
    } else {
      chromaMode = header.bit(183) != 0 ? Vp8Prediction.TRUE_MOTION : Vp8Prediction.HORIZONTAL;
    }
  }

  private static int readBlockMode(Vp8BoolDecoder header, int above, int left) {
    int at = (above * Vp8Tables.BLOCK_MODES + left) * (Vp8Tables.BLOCK_MODES - 1);
    int[] p = Vp8Tables.BLOCK_MODE_PROBABILITIES;
    for (int i = 0; i < 3; i++) {
      if (header.bit(p[at + i]) == 0) {
        return i;
      }
    }
    if (header.bit(p[at + 3]) == 0) {
      if (header.bit(p[at + 4]) == 0) {
        return Vp8Prediction.HORIZONTAL;
      }
      return Vp8Prediction.RIGHT_DOWN + header.bit(p[at + 5]);
    }
    for (int i = 6; i < 9; i++) {
      if (header.bit(p[at + i]) == 0) {
        return i;
      }
    }
    return Vp8Prediction.HORIZONTAL_UP;
  }

  /**
   * Reads the residual.
   *
   * @param skipped whether the stream says that there is none
   * @param steps of the segment: luma, Y2 and chroma, DC and AC each
   * @return whether there is any coefficient
   */
  boolean readCoefficients(Vp8BoolDecoder tokens, int column, boolean skipped, int[] steps) {
    Arrays.fill(coefficients, (short) 0);
    int above = 9 * column;
    if (skipped) {
      // The Y2 context outlives macroblocks that have no Y2 block.
      int kept = blockModes ? 8 : 9;
      Arrays.fill(filledAbove, above, above + kept, 0);
      Arrays.fill(filledLeft, 0, kept, 0);
      return false;
    }
    int type = LUMA_WITH_DC;
    if (!blockModes) {
      type = LUMA_AFTER_Y2;
      Arrays.fill(dcs, (short) 0);
      int context = filledAbove[above + 8] + filledLeft[8];
      int end = readBlock(tokens, Y2, context, 0, dcs, 0, steps[2], steps[3]);
      filledAbove[above + 8] = end > 0 ? 1 : 0;
      filledLeft[8] = filledAbove[above + 8];
      Vp8Prediction.inverseWalshHadamard(dcs, coefficients);
    }
    boolean any = false;
    for (int i = 0; i < 16; i++) {
      any |= readInContext(tokens, type, above + i % 4, i / 4, i, steps[0], steps[1]);
    }
    for (int i = 0; i < 8; i++) {
      int plane = 4 + 2 * (i / 4);
      int x = above + plane + i % 2;
      int y = plane + i % 4 / 2;
      any |= readInContext(tokens, CHROMA, x, y, 16 + i, steps[4], steps[5]);
    }
    return any;
  }

  private boolean readInContext(
      Vp8BoolDecoder tokens, int type, int above, int left, int block, int dc, int ac) {
    int first = type == LUMA_AFTER_Y2 ? 1 : 0;
    int context = filledAbove[above] + filledLeft[left];
    int end = readBlock(tokens, type, context, first, coefficients, 16 * block, dc, ac);
    filledAbove[above] = end > first ? 1 : 0;
    filledLeft[left] = filledAbove[above];
    return end > 1 || coefficients[16 * block] != 0;
  }

  /**
   * Reads the tokens of a block (section 13).
   *
   * @return the position behind the last coefficient, or {@code first} if there is none
   */
  private int readBlock(
      Vp8BoolDecoder tokens,
      int type,
      int context,
      int first,
      short[] out,
      int at,
      int dc,
      int ac) {
    int[] p = probabilities;
    int node = node(type, first, context);
    int position = first;
    while (position < 16 && tokens.bit(p[node]) != 0) {
      while (tokens.bit(p[node + 1]) == 0) {
        position++;
        if (position == 16) {
          return 16;
        }
        node = node(type, position, 0);
      }
      int value = tokens.bit(p[node + 2]) == 0 ? 1 : readLarge(tokens, node);
      int signed = tokens.flag() ? -value : value;
      out[at + Vp8Tables.ZIGZAG[position]] = (short) (signed * (position > 0 ? ac : dc));
      position++;
      node = node(type, position, value == 1 ? 1 : 2);
    }
    return position;
  }

  private static int node(int type, int position, int context) {
    int band = type * Vp8Tables.BANDS + Vp8Tables.BAND[position];
    return (band * Vp8Tables.CONTEXTS + context) * Vp8Tables.PROBABILITIES;
  }

  private int readLarge(Vp8BoolDecoder tokens, int node) {
    int[] p = probabilities;
    if (tokens.bit(p[node + 3]) == 0) {
      return tokens.bit(p[node + 4]) == 0 ? 2 : 3 + tokens.bit(p[node + 5]);
    }
    if (tokens.bit(p[node + 6]) == 0) {
      if (tokens.bit(p[node + 7]) == 0) {
        return 5 + tokens.bit(159);
      }
      int high = tokens.bit(165);
      return 7 + 2 * high + tokens.bit(145);
    }
    int high = tokens.bit(p[node + 8]);
    int category = 2 * high + tokens.bit(p[node + 9 + high]);
    int extra = 0;
    for (int probability : Vp8Tables.EXTRA_BITS[category]) {
      extra = 2 * extra + tokens.bit(probability);
    }
    return 3 + (8 << category) + extra;
  }

  void reconstruct(Vp8Plane luma, Vp8Plane u, Vp8Plane v, int column, int row, int columns) {
    boolean hasAbove = row > 0;
    boolean hasLeft = column > 0;
    int start = luma.at(16 * column, 16 * row);
    if (blockModes) {
      reconstructBlocks(luma, start, row > 0 && column == columns - 1);
    } else {
      Vp8Prediction.predictSquare(luma, start, 16, modes[0], hasAbove, hasLeft);
      for (int i = 0; i < 16; i++) {
        int block = start + 4 * (i / 4) * luma.stride + 4 * (i % 4);
        Vp8Prediction.addInverseDct(coefficients, 16 * i, luma, block);
      }
    }
    int from = 16 * 16;
    for (Vp8Plane plane : new Vp8Plane[] {u, v}) {
      int corner = plane.at(8 * column, 8 * row);
      Vp8Prediction.predictSquare(plane, corner, 8, chromaMode, hasAbove, hasLeft);
      for (int i = 0; i < 4; i++, from += 16) {
        int block = corner + 4 * (i / 2) * plane.stride + 4 * (i % 2);
        Vp8Prediction.addInverseDct(coefficients, from, plane, block);
      }
    }
  }

  /**
   * Predicts and completes the 4x4 blocks one after the other.
   *
   * @param last whether nothing lies above to the right: the sample above the corner is repeated
   */
  private void reconstructBlocks(Vp8Plane luma, int start, boolean last) {
    int above = start - luma.stride;
    int[] beyond = new int[4];
    int[] inside = new int[4];
    for (int i = 0; i < 4; i++) {
      beyond[i] = luma.get(above + (last ? 15 : 16 + i));
    }
    for (int i = 0; i < 16; i++) {
      int block = start + 4 * (i / 4) * luma.stride + 4 * (i % 4);
      for (int x = 0; x < 4; x++) {
        inside[x] = luma.get(block - luma.stride + 4 + x);
      }
      // The right column of blocks reads above the macroblock, whichever row it is in.
      Vp8Prediction.predictBlock(luma, block, modes[i], i % 4 == 3 ? beyond : inside);
      Vp8Prediction.addInverseDct(coefficients, 16 * i, luma, block);
    }
  }
}
