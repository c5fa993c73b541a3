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
 * Turns codebook indices into pictures: the VQ-16 decoder of Janus and its like, built from a
 * checkpoint or opened from an ONNX file of the user's. For any number of threads.
 *
 * <p>Reference: {@code deepseek-ai/Janus@1daa72f:janus/models/vq_model.py} and transformers 5.18
 * {@code JanusVQVAE.decode}, which agree. Deviations: none.
 *
 * @see <a href="https://arxiv.org/abs/2406.06525">LlamaGen, §2.1</a>
 */
public final class VqImageDecoder implements AutoCloseable {
  /** A code that is not known yet; its pixels come out grey. */
  public static final int MISSING = -1;

  private static final int RGB = 3;

  // The names of onnx-community's exports, so that a file of ours can stand in for one of theirs.
  private static final String CODES = "generated_tokens";
  private static final String PIXELS = "decoded_image";

  private final OnnxProgram program;
  private final String input;
  private final String output;
  private final int gridSize;
  private final int patchSize;
  private final int numEmbeddings;

  private VqImageDecoder(
      OnnxProgram program, String input, String output, Grid grid, int numEmbeddings) {
    this.program = program;
    this.input = input;
    this.output = output;
    this.gridSize = grid.size();
    this.patchSize = grid.patchSize();
    this.numEmbeddings = numEmbeddings;
  }

  /**
   * The codes of one picture.
   *
   * @param size rows and columns of codes
   * @param patchSize rows and columns of pixels of one code
   */
  public record Grid(int size, int patchSize) {
    /** {@return codes of one picture} */
    public int numCodes() {
      return size * size;
    }

    /** {@return rows and columns of pixels of one picture} */
    public int imageSize() {
      return size * patchSize;
    }
  }

  /**
   * Loads the decoder.
   *
   * @param weights its tensors; they are copied
   */
  public static VqImageDecoder load(
      VqConfig config, OnnxWeights weights, OnnxProgram.Options options) {
    if (config.outChannels() != RGB) {
      throw new UnsupportedModelException(
          "The VQ decoder gives " + config.outChannels() + " channels; only RGB is supported");
    }
    OnnxProgram program = OnnxProgram.of(graph(config), weights, options);
    Grid grid = new Grid(config.gridSize(), config.patchSize());
    return new VqImageDecoder(program, CODES, PIXELS, grid, config.numEmbeddings());
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
    OnnxProgram program = OnnxProgram.open(file, options);
    try {
      OnnxProgram.Port in = only(file, "input", program.inputs());
      OnnxProgram.Port out = only(file, "output", program.outputs());
      long side = grid.imageSize();
      boolean takesCodes = in.type().equals("int64") && fits(in.shape(), -1, grid.numCodes());
      boolean givesPixels =
          List.of("float32", "float16").contains(out.type())
              && fits(out.shape(), -1, RGB, side, side);
      if (!takesCodes || !givesPixels) {
        throw new CheckpointException(
            "Cannot decode pictures with " + file + "\n  expected int64 [N, " + grid.numCodes()
                + "] to float32 [N, 3, " + side + ", " + side + "]\n  found    " + in + " to " + out
                + "\n  Was it exported from this model?");
      }
      return new VqImageDecoder(program, in.name(), out.name(), grid, numEmbeddings);
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
   * Writes the decoder: input {@code generated_tokens} [N, P] int64, output {@code decoded_image}
   * [N, 3, Y, X] float32, about [-1, 1].
   *
   * @return a graph to run or to export
   */
  public static OnnxGraph graph(VqConfig config) {
    VqLayout layout = config.layout();
    OnnxGraph graph = new OnnxGraph("vq-decoder");
    ConvBlocks blocks = new ConvBlocks(graph);
    Edge codes = graph.input(CODES, ElementType.INT64, "N", config.numCodes());

    Edge codebook =
        graph.weight("quantize.embedding.weight", config.numEmbeddings(), config.embedDim());
    Edge z = blocks.l2Normalize(graph.node("Gather", codebook, codes)); // [N, P, D]
    z = graph.node("Transpose", Map.of("perm", new long[] {0, 2, 1}), z);
    int side = config.gridSize();
    z = graph.node("Reshape", z, graph.ints(0, config.embedDim(), side, side));
    Features h = new Features(z, config.embedDim(), side);
    h = blocks.conv1x1(h, "post_quant_conv", config.latentChannels());

    int channels = config.channels(config.levels() - 1);
    h = blocks.conv3x3(h, "decoder.conv_in", channels);
    h = blocks.resBlock(h, layout.midBlock1("decoder"), channels);
    h = blocks.attention(h, layout.midAttention("decoder"));
    h = blocks.resBlock(h, layout.midBlock2("decoder"), channels);

    for (int i = 0; i < config.levels(); i++) {
      int level = config.levels() - 1 - i;
      String name = layout.decoderLevel(i);
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
        config.imageSize(),
        config.imageSize());
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
    int side = grid().imageSize();
    int pictureSize = RGB * side * side;
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
      if (!Arrays.equals(drawn.shape(), new long[] {1, RGB, side, side})) {
        // Only a file of the user's, whose sizes its metadata leaves open, can come here.
        throw new CheckpointException(
            "Cannot decode pictures with " + program + "\n  expected [1, 3, " + side + ", " + side
                + "]\n  found    " + drawn + "\n  Was it exported from this model?");
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
    int side = gridSize * patchSize;
    Image[] images = new Image[imageCodes.length];
    for (int n = 0; n < images.length; n++) {
      images[n] = image(pixels, n * RGB * side * side, side);
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
    int side = gridSize * patchSize;
    byte[] rgb = new byte[RGB * side * side];
    Arrays.fill(rgb, (byte) toByte(0));
    if (Arrays.stream(imageCodes).allMatch(code -> code == MISSING)) {
      return Image.of(side, side, rgb);
    }
    Image drawn = draw(new int[][] {filled(imageCodes)}, step).get(0);
    byte[] from = drawn.rgb();
    for (int i = 0; i < imageCodes.length; i++) {
      if (imageCodes[i] != MISSING) {
        int corner = (i / gridSize * side + i % gridSize) * patchSize;
        for (int y = 0; y < patchSize; y++) {
          int row = RGB * (corner + y * side);
          System.arraycopy(from, row, rgb, row, RGB * patchSize);
        }
      }
    }
    return Image.of(side, side, rgb);
  }

  /** {@return the codes of one picture} */
  public Grid grid() {
    return new Grid(gridSize, patchSize);
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
    if (picture.length != grid().numCodes()) {
      throw new InvalidRequestException(
          "A picture has " + picture.length + " codes; expected " + grid().numCodes() + " ("
              + gridSize + " x " + gridSize + ")");
    }
  }

  private int[] filled(int[] codes) {
    int[] filled = codes.clone();
    int last = Arrays.stream(codes).filter(code -> code != MISSING).findFirst().getAsInt();
    for (int i = 0; i < filled.length; i++) {
      if (filled[i] == MISSING) {
        filled[i] = i >= gridSize ? filled[i - gridSize] : last;
      }
      last = filled[i];
    }
    return filled;
  }

  private static Image image(FloatBuffer pixels, int offset, int side) {
    int plane = side * side;
    byte[] rgb = new byte[RGB * plane];
    for (int i = 0; i < plane; i++) {
      for (int c = 0; c < RGB; c++) {
        float pixel = pixels.get(offset + c * plane + i);
        if (Float.isNaN(pixel)) {
          throw new EngineException(
              "The VQ decoder gave a pixel that is not a number, in row " + i / side + ", column "
                  + i % side + "\n  Are the weights whole?");
        }
        rgb[RGB * i + c] = (byte) toByte(pixel);
      }
    }
    return Image.of(side, side, rgb);
  }

  /** {@return (x + 1) / 2 * 255 in float32, clipped and truncated as the reference does} */
  private static int toByte(float x) {
    return (int) Math.min(Math.max((x + 1) / 2 * 255, 0), 255);
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
