package dev.diptych.tokenizers;

/**
 * Decodes a VP8 key frame (RFC 6386), the lossy coding of WebP, to the bit as libwebp does
 * (webmproject/libwebp@3757b8af): the chroma upsampling and the conversion to RGB are libwebp's,
 * and so is where it departs from the RFC's text (samples above to the right of the last column).
 */
final class Vp8Frame {
  private static final int SEGMENTS = 4;

  private final byte[] data;
  private final int width;
  private final int height;
  private final int columns;
  private final int rows;
  private final Vp8Plane luma;
  private final Vp8Plane u;
  private final Vp8Plane v;
  private final int[] probabilities = Vp8Tables.COEFFICIENT_PROBABILITIES.clone();
  private final int[] segmentTree = {255, 255, 255};

  private Vp8BoolDecoder header;
  private Vp8BoolDecoder[] partitions;
  private boolean segmented;
  private boolean segmentMap;
  private boolean segmentsAbsolute = true;
  private final int[] segmentQuantizer = new int[SEGMENTS];
  private final int[] segmentLevel = new int[SEGMENTS];
  private boolean simpleFilter;
  private int level;
  private int sharpness;
  private boolean levelDeltas;
  private final int[] referenceDelta = new int[4];
  private final int[] modeDelta = new int[4];
  private final int[][] steps = new int[SEGMENTS][];
  private int skipProbability = -1;

  private Vp8Frame(byte[] data, int width, int height) {
    this.data = data;
    this.width = width;
    this.height = height;
    columns = (width + 15) / 16;
    rows = (height + 15) / 16;
    luma = new Vp8Plane(16 * columns, 16 * rows);
    u = new Vp8Plane(8 * columns, 8 * rows);
    v = new Vp8Plane(8 * columns, 8 * rows);
  }

  /**
   * Decodes.
   *
   * @param data holds the content of a "VP8 " chunk from {@code offset} to {@code end}
   * @return [height, width, 3] bytes, red first
   */
  static byte[] decode(byte[] data, int offset, int end, int width, int height)
      throws DamagedImageException {
    Vp8Frame frame = new Vp8Frame(data, width, height);
    frame.readHeader(offset, end);
    frame.readMacroblocks();
    return Vp8Colours.toRgb(frame.luma, frame.u, frame.v, width, height);
  }

  private void readHeader(int offset, int end) throws DamagedImageException {
    int tag =
        data[offset] & 0xff | (data[offset + 1] & 0xff) << 8 | (data[offset + 2] & 0xff) << 16;
    boolean startCode =
        data[offset + 3] == (byte) 0x9d && data[offset + 4] == 1 && data[offset + 5] == 0x2a;
    int first = offset + 10;
    int firstEnd = first + (tag >> 5);
    if ((tag & 1) != 0 || !startCode || firstEnd > end) {
      throw new DamagedImageException("a whole VP8 key frame", "the frame tag " + tag);
    }
    header = new Vp8BoolDecoder(data, first, firstEnd);
    // Colour space and clamping: libwebp reads and ignores both.
    header.literal(2);
    readSegments();
    readFilter();
    readPartitions(firstEnd, end);
    readQuantizers();
    header.flag();
    for (int i = 0; i < probabilities.length; i++) {
      if (header.bit(Vp8Tables.UPDATE_PROBABILITIES[i]) != 0) {
        probabilities[i] = header.literal(8);
      }
    }
    skipProbability = header.flag() ? header.literal(8) : -1;
  }

  private void readSegments() {
    segmented = header.flag();
    if (!segmented) {
      return;
    }
    segmentMap = header.flag();
    if (header.flag()) {
      segmentsAbsolute = header.flag();
      for (int i = 0; i < SEGMENTS; i++) {
        segmentQuantizer[i] = header.optionalSigned(7);
      }
      for (int i = 0; i < SEGMENTS; i++) {
        segmentLevel[i] = header.optionalSigned(6);
      }
    }
    if (segmentMap) {
      for (int i = 0; i < segmentTree.length; i++) {
        segmentTree[i] = header.flag() ? header.literal(8) : 255;
      }
    }
  }

  private void readFilter() {
    simpleFilter = header.flag();
    level = header.literal(6);
    sharpness = header.literal(3);
    levelDeltas = header.flag();
    if (levelDeltas && header.flag()) {
      for (int[] deltas : new int[][] {referenceDelta, modeDelta}) {
        for (int i = 0; i < deltas.length; i++) {
          if (header.flag()) {
            deltas[i] = header.signed(6);
          }
        }
      }
    }
  }

  private void readPartitions(int start, int end) throws DamagedImageException {
    partitions = new Vp8BoolDecoder[1 << header.literal(2)];
    int sizes = start;
    int at = start + 3 * (partitions.length - 1);
    if (at >= end) {
      throw new DamagedImageException(partitions.length + " VP8 partitions", "no room for them");
    }
    for (int i = 0; i < partitions.length; i++, sizes += 3) {
      int partEnd = end;
      if (i < partitions.length - 1) {
        int size =
            data[sizes] & 0xff | (data[sizes + 1] & 0xff) << 8 | (data[sizes + 2] & 0xff) << 16;
        partEnd = Math.min(end, at + size);
      }
      partitions[i] = new Vp8BoolDecoder(data, at, partEnd);
      at = partEnd;
    }
  }

  /** Steps of each segment: luma DC and AC, Y2 DC and AC, chroma DC and AC (section 9.6). */
  private void readQuantizers() {
    int base = header.literal(7);
    int[] deltas = new int[5];
    for (int i = 0; i < deltas.length; i++) {
      deltas[i] = header.optionalSigned(4);
    }
    for (int i = 0; i < SEGMENTS; i++) {
      int q = segmented ? segmentQuantizer[i] + (segmentsAbsolute ? 0 : base) : base;
      steps[i] =
          new int[] {
            Vp8Tables.DC_STEP[index(q + deltas[0], 127)],
            Vp8Tables.AC_STEP[index(q, 127)],
            Vp8Tables.DC_STEP[index(q + deltas[1], 127)] * 2,
            Math.max(8, Vp8Tables.AC_STEP[index(q + deltas[2], 127)] * 155 / 100),
            Vp8Tables.DC_STEP[index(q + deltas[3], 117)],
            Vp8Tables.AC_STEP[index(q + deltas[4], 127)]
          };
    }
  }

  private static int index(int value, int most) {
    return Math.max(0, Math.min(value, most));
  }

  private void readMacroblocks() throws DamagedImageException {
    Vp8Macroblock block = new Vp8Macroblock(columns, probabilities);
    var strengths = new Vp8LoopFilter.Strength[rows * columns];
    for (int row = 0; row < rows; row++) {
      Vp8BoolDecoder tokens = partitions[row % partitions.length];
      block.startRow();
      for (int column = 0; column < columns; column++) {
        int segment = segmentMap ? readSegment() : 0;
        boolean skipped = skipProbability >= 0 && header.bit(skipProbability) != 0;
        block.readModes(header, column);
        boolean coefficients = block.readCoefficients(tokens, column, skipped, steps[segment]);
        block.reconstruct(luma, u, v, column, row, columns);
        strengths[row * columns + column] = strength(segment, block.hasBlockModes(), coefficients);
      }
      if (tokens.exhausted() || header.exhausted()) {
        throw new DamagedImageException(
            "VP8 data for " + rows + " rows of macroblocks", "its end in row " + row);
      }
    }
    if (level > 0) {
      Vp8LoopFilter filter = new Vp8LoopFilter(luma, u, v, simpleFilter);
      for (int i = 0; i < strengths.length; i++) {
        filter.filter(i % columns, i / columns, strengths[i]);
      }
    }
  }

  private int readSegment() {
    return header.bit(segmentTree[0]) == 0
        ? header.bit(segmentTree[1])
        : 2 + header.bit(segmentTree[2]);
  }

  private Vp8LoopFilter.Strength strength(int segment, boolean blockModes, boolean coefficients) {
    int strength = level;
    if (segmented) {
      strength = segmentLevel[segment] + (segmentsAbsolute ? 0 : level);
    }
    if (levelDeltas) {
      strength += referenceDelta[0] + (blockModes ? modeDelta[0] : 0);
    }
    strength = index(strength, 63);
    int inside = strength;
    if (sharpness > 0) {
      inside = Math.min(inside >> (sharpness > 4 ? 2 : 1), 9 - sharpness);
    }
    inside = Math.max(inside, 1);
    int limit = strength == 0 ? 0 : 2 * strength + inside;
    int steep = strength >= 40 ? 2 : strength >= 15 ? 1 : 0;
    return new Vp8LoopFilter.Strength(limit, inside, steep, blockModes || coefficients);
  }
}
