package dev.diptych.decoders;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.EngineException;
import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.engine.OnnxArray;
import dev.diptych.core.engine.OnnxGraph;
import dev.diptych.core.engine.OnnxGraph.Edge;
import dev.diptych.core.engine.OnnxGraph.ElementType;
import dev.diptych.core.engine.OnnxProgram;
import dev.diptych.core.engine.OnnxWeights;
import dev.diptych.core.nn.ConvBlocks;
import dev.diptych.core.nn.ConvBlocks.Features;
import dev.diptych.core.vq.VqConfig;
import dev.diptych.core.vq.VqLayout;
import dev.diptych.core.weights.Weights;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * Turns codebook indices into pictures: the VQ-16 decoders of Janus, Chameleon and their like,
 * built from a checkpoint or opened from an ONNX file of the user's. One decoder draws pictures of
 * one size: ONNX Runtime fuses more where sizes are known. For any number of threads.
 *
 * <p>Reference: {@code deepseek-ai/Janus@1daa72f:janus/models/vq_model.py} and transformers 5.18
 * {@code JanusVQVAE.decode}, which agree; {@code
 * facebookresearch/chameleon@dbbe47f:chameleon/inference/vqgan.py}. Deviations: none.
 *
 * @see <a href="https://arxiv.org/abs/2406.06525">LlamaGen, §2.1</a>
 * @see <a href="https://arxiv.org/abs/2405.09818">Chameleon, §2.1</a>
 */
public final class VqImageDecoder implements AutoCloseable {
  /** A code that is not known yet; its pixels come out grey. */
  public static final int MISSING = -1;

  static final int RGB = 3;

  /** What the middle of [-1, 1] becomes. */
  private static final int GREY = 127;

  // The names of onnx-community's exports, so that a file of ours can stand in for one of theirs.
  static final String CODES = "generated_tokens";
  static final String PIXELS = "decoded_image";

  private final OnnxProgram program;
  private final String input;
  private final String output;
  private final Grid grid;
  private final int numEmbeddings;
  private final Scale scale;

  /**
   * How pixels become bytes: {@code (x - offset) / divisor * 255}, clipped and truncated.
   *
   * @param offset of each colour
   * @param divisor of each colour
   */
  record Scale(float[] offset, float[] divisor) {
    /** From [-1, 1]. */
    static final Scale SIGNED = new Scale(new float[] {-1, -1, -1}, new float[] {2, 2, 2});

    private int toByte(float x, int channel) {
      float unit = (x - offset[channel]) / divisor[channel];
      return (int) Math.min(Math.max(unit * 255, 0), 255);
    }
  }

  VqImageDecoder(
      OnnxProgram program,
      String input,
      String output,
      Grid grid,
      int numEmbeddings,
      Scale scale) {
    this.program = program;
    this.input = input;
    this.output = output;
    this.grid = grid;
    this.numEmbeddings = numEmbeddings;
    this.scale = scale;
  }

  /**
   * The codes of one picture.
   *
   * @param rows rows of codes
   * @param columns columns of codes
   * @param patchSize rows and columns of pixels of one code
   */
  public record Grid(int rows, int columns, int patchSize) {
    /** Pixels of one side; three colours of a square of it still fit into one array. */
    private static final int MAX_SIDE = 1 << 14;

    /**
     * Checks that the picture is not empty and fits into one array.
     *
     * @throws InvalidRequestException if it does not
     */
    public Grid {
      long longest = (long) Math.max(rows, columns) * patchSize;
      if (rows < 1 || columns < 1 || patchSize < 1 || longest > MAX_SIDE) {
        throw new InvalidRequestException(
            "Cannot draw " + rows + " x " + columns + " codes of " + patchSize + " x " + patchSize
                + " pixels; expected at least one, and sides of at most " + MAX_SIDE + " pixels");
      }
    }

    /** The codes of a square picture. */
    public Grid(int size, int patchSize) {
      this(size, size, patchSize);
    }

    /** {@return codes of one picture} */
    public int numCodes() {
      return rows * columns;
    }

    /** {@return rows of pixels of one picture} */
    public int height() {
      return rows * patchSize;
    }

    /** {@return columns of pixels of one picture} */
    public int width() {
      return columns * patchSize;
    }
  }

  /**
   * Loads the decoder of the pictures that the config names.
   *
   * @param weights its tensors; they are copied
   */
  public static VqImageDecoder load(
      VqConfig config, OnnxWeights weights, OnnxProgram.Options options) {
    return load(config, config.gridSize(), config.gridSize(), weights, options);
  }

  /**
   * Loads a decoder of pictures of another size. Each has its own copy of the weights: keep few.
   *
   * @param rows rows of codes
   * @param columns columns of codes
   * @param weights its tensors; they are copied
   */
  public static VqImageDecoder load(
      VqConfig config,
      int rows,
      int columns,
      OnnxWeights weights,
      OnnxProgram.Options options) {
    if (config.hasDecoder() && config.outChannels() != RGB) {
      throw new UnsupportedModelException(
          "The VQ decoder gives " + config.outChannels() + " channels; only RGB is supported");
    }
    Grid grid = new Grid(rows, columns, config.patchSize());
    OnnxProgram program = OnnxProgram.of(graph(config, rows, columns), weights, options);
    return new VqImageDecoder(program, CODES, PIXELS, grid, config.numEmbeddings(), Scale.SIGNED);
  }

  /**
   * Opens a decoder that somebody exported, such as {@code image_decode.onnx} of onnx-community's
   * Janus repositories: one input [B, P] int64, one output [B, 3, Y, X] float.
   *
   * @param grid the model's grid, which the file must agree with
   * @param numEmbeddings the model's codebook vectors
   * @throws CheckpointException if the file takes or gives something else
   */
  public static VqImageDecoder open(
      Path file, Grid grid, int numEmbeddings, OnnxProgram.Options options) {
    return open(file, grid, numEmbeddings, Scale.SIGNED, options);
  }

  /** Opens a decoder whose pixels have another scale. */
  static VqImageDecoder open(
      Path file, Grid grid, int numEmbeddings, Scale scale, OnnxProgram.Options options) {
    OnnxProgram program = OnnxProgram.open(file, options);
    try {
      OnnxProgram.Port in = only(file, "input", program.inputs());
      OnnxProgram.Port out = only(file, "output", program.outputs());
      boolean takesCodes = in.type().equals("int64") && fits(in.shape(), -1, grid.numCodes());
      boolean givesPixels =
          List.of("float32", "float16").contains(out.type())
              && fits(out.shape(), -1, RGB, grid.height(), grid.width());
      if (!takesCodes || !givesPixels) {
        throw new CheckpointException(
            "Cannot decode pictures with " + file + "\n  expected int64 [N, " + grid.numCodes()
                + "] to float32 [N, 3, " + grid.height() + ", " + grid.width()
                + "]\n  found    " + in + " to " + out
                + "\n  Was it exported from this model?");
      }
      return new VqImageDecoder(
          program, in.name(), out.name(), grid, numEmbeddings, scale);
    } catch (RuntimeException e) {
      program.close();
      throw e;
    }
  }

  /**
   * Asks for every tensor of the decoder with its shape.
   *
   * @param coder the view at the coder's prefix
   */
  public static void bind(VqConfig config, Weights coder) {
    for (OnnxGraph.Weight weight : graph(config).weights()) {
      coder.require(weight.name(), weight.dims());
    }
    coder.ignore("quantize.codebook_used", "counts that only training reads");
  }

  /**
   * Writes the decoder of the pictures that the config names.
   *
   * @see #graph(VqConfig, int, int)
   */
  public static OnnxGraph graph(VqConfig config) {
    return graph(config, config.gridSize(), config.gridSize());
  }

  /**
   * Writes the decoder: input {@code generated_tokens} [N, P] int64, output {@code decoded_image}
   * [N, 3, Y, X] float32, about [-1, 1].
   *
   * @param rows rows of codes
   * @param columns columns of codes
   * @return a graph to run or to export
   * @throws CheckpointException if the checkpoint has an encoder alone
   */
  public static OnnxGraph graph(VqConfig config, int rows, int columns) {
    if (!config.hasDecoder()) {
      throw new CheckpointException(
          "The VQ coder has no decoder: the checkpoint holds none of its tensors"
              + "\n  Pictures can be read with it, not drawn.");
    }
    Grid grid = new Grid(rows, columns, config.patchSize());
    VqLayout layout = config.layout();
    OnnxGraph graph = new OnnxGraph("vq-decoder");
    ConvBlocks blocks = new ConvBlocks(graph);
    Edge codes = graph.input(CODES, ElementType.INT64, "N", grid.numCodes());

    Edge codebook =
        graph.weight("quantize.embedding.weight", config.numEmbeddings(), config.embedDim());
    Edge z = graph.node("Gather", codebook, codes); // [N, P, D]
    if (layout.decodesNormalized()) {
      z = blocks.l2Normalize(z);
    }
    z = graph.node("Transpose", Map.of("perm", new long[] {0, 2, 1}), z);
    z = graph.node("Reshape", z, graph.ints(0, config.embedDim(), rows, columns));
    Features h = new Features(z, config.embedDim(), rows, columns);
    h = blocks.conv1x1(h, "post_quant_conv", config.latentChannels());

    int channels = config.channels(config.levels() - 1);
    h = blocks.conv3x3(h, "decoder.conv_in", channels);
    h = blocks.resBlock(h, layout.midBlock1("decoder"), channels);
    h = blocks.attention(h, layout.midAttention("decoder"));
    h = blocks.resBlock(h, layout.midBlock2("decoder"), channels);

    for (int level = config.levels() - 1; level >= 0; level--) {
      String name = layout.decoderLevel(level, config.levels());
      for (int j = 0; j <= config.numResBlocks(); j++) {
        h = blocks.resBlock(h, layout.resBlock(name, j), config.channels(level));
        if (config.attentionLevels().contains(level)) {
          h = blocks.attention(h, layout.attention(name, j));
        }
      }
      if (level > 0) {
        h = blocks.upsample(h, name + ".upsample.conv");
      }
    }

    h = blocks.swish(blocks.groupNorm(h, "decoder.norm_out"));
    h = blocks.conv3x3(h, "decoder.conv_out", config.outChannels());
    graph.output(
        h.edge(),
        PIXELS,
        ElementType.FLOAT32,
        "N",
        config.outChannels(),
        grid.height(),
        grid.width());
    return graph;
  }

  /**
   * Decodes whole pictures.
   *
   * @param imageCodes [N, P] indices, each in [0, E)
   * @return [N, 3, Y, X] float32 about [-1, 1], not clipped
   */
  public FloatBuffer decode(int[][] imageCodes) {
    return decode(imageCodes, () -> {});
  }

  /**
   * Decodes whole pictures and may end early.
   *
   * @param step asked about fifty times a second from another thread; what it throws ends the work
   *     and is thrown here
   */
  public FloatBuffer decode(int[][] imageCodes, Runnable step) {
    int pictureSize = RGB * grid.height() * grid.width();
    FloatBuffer pixels =
        FloatBuffer.allocate(Math.multiplyExact(imageCodes.length, pictureSize));
    for (int[] picture : imageCodes) {
      check(picture);
    }
    // One by one: a batch would take the memory of all their features at once and save no time.
    for (int[] picture : imageCodes) {
      long[] codes = Arrays.stream(picture).asLongStream().toArray();
      OnnxArray one = OnnxArray.of(codes, 1, codes.length);
      OnnxArray drawn = program.run(Map.of(input, one), step).get(output);
      if (!Arrays.equals(drawn.shape(), new long[] {1, RGB, grid.height(), grid.width()})) {
        // Only a file of the user's, whose sizes its metadata leaves open, can come here.
        throw new CheckpointException(
            "Cannot decode pictures with " + program + "\n  expected [1, 3, " + grid.height() + ", "
                + grid.width() + "]\n  found    " + drawn + "\n  Was it exported from this model?");
      }
      pixels.put(drawn.floats());
    }
    return pixels.flip();
  }

  /**
   * Draws pictures.
   *
   * @param imageCodes [N, P] indices, each in [0, E)
   * @param step asked about fifty times a second from another thread; what it throws ends the work
   *     and is thrown here
   * @return N pictures
   */
  public List<Image> draw(int[][] imageCodes, Runnable step) {
    FloatBuffer pixels = decode(imageCodes, step);
    Image[] images = new Image[imageCodes.length];
    for (int n = 0; n < images.length; n++) {
      images[n] = image(pixels, n * RGB * grid.height() * grid.width());
    }
    return List.of(images);
  }

  /**
   * Draws a picture of which some codes are missing. The decoder gets a code that it knows in their
   * place, that of the nearest one above and else the last one before, so that what is drawn looks
   * as it will look: neighbours meet in every convolution and in attention, and no "empty" vector
   * was ever in training. What is missing is then painted grey.
   *
   * @param imageCodes [P] indices, {@link #MISSING} where not known
   */
  public Image drawPartial(int[] imageCodes, Runnable step) {
    checkLength(imageCodes);
    int width = grid.width();
    int patch = grid.patchSize();
    byte[] rgb = new byte[RGB * grid.height() * width];
    Arrays.fill(rgb, (byte) GREY);
    if (Arrays.stream(imageCodes).allMatch(code -> code == MISSING)) {
      return Image.of(width, grid.height(), rgb);
    }
    Image drawn = draw(new int[][] {filled(imageCodes)}, step).get(0);
    byte[] from = drawn.rgb();
    for (int i = 0; i < imageCodes.length; i++) {
      if (imageCodes[i] != MISSING) {
        int corner = (i / grid.columns() * width + i % grid.columns()) * patch;
        for (int y = 0; y < patch; y++) {
          int row = RGB * (corner + y * width);
          System.arraycopy(from, row, rgb, row, RGB * patch);
        }
      }
    }
    return Image.of(width, grid.height(), rgb);
  }

  /** {@return whether pictures of a size fit what goes in and comes out} */
  public boolean draws(Grid other) {
    return fits(program.inputs().get(0).shape(), -1, other.numCodes())
        && fits(program.outputs().get(0).shape(), -1, RGB, other.height(), other.width());
  }

  /** {@return the codes of one picture} */
  public Grid grid() {
    return grid;
  }

  /** Waits for the calls under way, then frees the decoder. */
  @Override
  public void close() {
    program.close();
  }

  private void check(int[] picture) {
    checkLength(picture);
    for (int code : picture) {
      // ONNX counts negative indices from the end, so one would pass unseen.
      if (code < 0 || code >= numEmbeddings) {
        throw new InvalidRequestException(
            "Image code " + code + " is outside the codebook; expected 0 to "
                + (numEmbeddings - 1));
      }
    }
  }

  private void checkLength(int[] picture) {
    if (picture.length != grid.numCodes()) {
      throw new InvalidRequestException(
          "A picture has " + picture.length + " codes; expected " + grid.numCodes() + " ("
              + grid.rows() + " x " + grid.columns() + ")");
    }
  }

  private int[] filled(int[] codes) {
    int[] filled = codes.clone();
    int last = Arrays.stream(codes).filter(code -> code != MISSING).findFirst().getAsInt();
    for (int i = 0; i < filled.length; i++) {
      if (filled[i] == MISSING) {
        filled[i] = i >= grid.columns() ? filled[i - grid.columns()] : last;
      }
      last = filled[i];
    }
    return filled;
  }

  private Image image(FloatBuffer pixels, int offset) {
    int width = grid.width();
    int plane = grid.height() * width;
    byte[] rgb = new byte[RGB * plane];
    for (int i = 0; i < plane; i++) {
      for (int c = 0; c < RGB; c++) {
        float pixel = pixels.get(offset + c * plane + i);
        if (Float.isNaN(pixel)) {
          throw new EngineException(
              "The VQ decoder gave a pixel that is not a number, in row " + i / width + ", column "
                  + i % width + "\n  Are the weights whole?");
        }
        rgb[RGB * i + c] = (byte) scale.toByte(pixel, c);
      }
    }
    return Image.of(width, grid.height(), rgb);
  }

  private static OnnxProgram.Port only(Path file, String what, List<OnnxProgram.Port> ports) {
    if (ports.size() != 1) {
      throw new CheckpointException(
          "Cannot decode pictures with " + file + "\n  expected one " + what + "\n  found    "
              + ports);
    }
    return ports.get(0);
  }

  private static boolean fits(List<Long> found, long... expected) {
    if (found.size() != expected.length) {
      return false;
    }
    for (int i = 0; i < expected.length; i++) {
      if (found.get(i) >= 0 && expected[i] >= 0 && found.get(i) != expected[i]) {
        return false;
      }
    }
    return true;
  }
}
