package dev.diptych.tokenizers;

import dev.diptych.core.InvalidRequestException;
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
import java.util.Arrays;
import java.util.Map;

/**
 * Turns pictures into codebook indices: the VQ-16 encoders of Janus, Chameleon and their like. For
 * any number of threads.
 *
 * <p>Reference: {@code deepseek-ai/Janus@1daa72f:janus/models/vq_model.py} and transformers 5.18
 * {@code JanusVQVAE.encode}, which differ (see {@link VqLayout#encodesNormalized()}); {@code
 * facebookresearch/chameleon@dbbe47f:chameleon/inference/vqgan.py} and transformers 5.18 {@code
 * ChameleonVQVAE.encode}, which agree. Deviations: none.
 *
 * @see <a href="https://arxiv.org/abs/2406.06525">LlamaGen, §2.1</a>
 * @see <a href="https://arxiv.org/abs/2405.09818">Chameleon, §2.1</a>
 */
public final class VqImageTokenizer implements AutoCloseable {
  private static final String PIXELS = "pixel_values";
  private static final String CODES = "image_codes";

  private final VqConfig config;
  private final OnnxProgram program;

  private VqImageTokenizer(VqConfig config, OnnxProgram program) {
    this.config = config;
    this.program = program;
  }

  /**
   * Loads the encoder.
   *
   * @param weights its tensors; they are copied
   */
  public static VqImageTokenizer load(
      VqConfig config, OnnxWeights weights, OnnxProgram.Options options) {
    return new VqImageTokenizer(config, OnnxProgram.of(graph(config), weights, options));
  }

  /**
   * Asks for every tensor of the encoder with its shape, and leaves out what belongs to training
   * or, where the checkpoint has no decoder, to that.
   *
   * @param coder the view at the coder's prefix
   */
  public static void bind(VqConfig config, Weights coder) {
    for (OnnxGraph.Weight weight : graph(config).weights()) {
      coder.require(weight.name(), weight.dims());
    }
    coder.ignore("loss.*", "the discriminator and the perceptual loss, which only training reads");
    if (!config.hasDecoder()) {
      coder.ignore("post_quant_conv.*", "the way into the decoder, which the checkpoint lacks");
    }
  }

  /**
   * Writes the encoder: input {@code pixel_values} [N, 3, Y, X] float32 in [-1, 1], output {@code
   * image_codes} [N, P] int64.
   *
   * @return a graph to run or to export
   */
  public static OnnxGraph graph(VqConfig config) {
    VqLayout layout = config.layout();
    OnnxGraph graph = new OnnxGraph("vq-encoder");
    ConvBlocks blocks = new ConvBlocks(graph);
    Edge pixels = graph.input(PIXELS, ElementType.FLOAT32, "N", config.inChannels(), "Y", "X");

    Features h = new Features(pixels, config.inChannels());
    h = blocks.conv3x3(h, "encoder.conv_in", config.baseChannels());
    for (int level = 0; level < config.levels(); level++) {
      String name = layout.encoderLevel(level);
      for (int i = 0; i < config.numResBlocks(); i++) {
        h = blocks.resBlock(h, layout.resBlock(name, i), config.channels(level));
        if (config.attentionLevels().contains(level)) {
          h = blocks.attention(h, layout.attention(name, i));
        }
      }
      if (level < config.levels() - 1) {
        h = blocks.downsample(h, name + ".downsample.conv");
      }
    }

    h = blocks.resBlock(h, layout.midBlock1("encoder"), h.channels());
    h = blocks.attention(h, layout.midAttention("encoder"));
    h = blocks.resBlock(h, layout.midBlock2("encoder"), h.channels());
    h = blocks.swish(blocks.groupNorm(h, "encoder.norm_out"));
    h = blocks.conv3x3(h, "encoder.conv_out", config.latentChannels());
    h = blocks.conv1x1(h, "quant_conv", config.embedDim());

    graph.output(nearest(graph, blocks, config, h.edge()), CODES, ElementType.INT64, "N", "P");
    return graph;
  }

  /**
   * Encodes pictures.
   *
   * @param pixelValues [N, 3, Y, X] float32 in [-1, 1]; Y and X multiples of the patch size
   * @param n pictures
   * @param height Y in pixels
   * @param width X in pixels
   * @return [N, P] indices, each in [0, E), row by row over the grid of Y/patch x X/patch codes
   */
  public int[][] encode(FloatBuffer pixelValues, int n, int height, int width) {
    return encode(pixelValues, n, height, width, () -> {});
  }

  /**
   * Encodes pictures and may end early.
   *
   * @param pixelValues [N, 3, Y, X] float32, as above
   * @param n pictures
   * @param height Y in pixels
   * @param width X in pixels
   * @param step asked before every run of a graph, and about fifty times a second from another
   *     thread meanwhile; what it throws ends the work and is thrown here
   * @return [N, P] indices, each in [0, E), row by row
   */
  public int[][] encode(
      FloatBuffer pixelValues, int n, int height, int width, Runnable step) {
    checkPictures(pixelValues, n, config.inChannels(), height, width, config.patchSize());
    int pictureSize = pixelValues.remaining() / n;
    int[][] codes = new int[n][];
    // One by one: a batch would take the memory of all their features at once and save no time.
    for (int i = 0; i < n; i++) {
      OnnxArray picture =
          OnnxArray.of(
              pixelValues.slice(pixelValues.position() + i * pictureSize, pictureSize),
              1,
              config.inChannels(),
              height,
              width);
      step.run();
      long[] found = program.run(Map.of(PIXELS, picture), step).get(CODES).toLongs();
      codes[i] = Arrays.stream(found).mapToInt(Math::toIntExact).toArray();
    }
    return codes;
  }

  /**
   * Checks that a buffer holds pictures of a size that a coder reads.
   *
   * @throws InvalidRequestException if it does not
   */
  static void checkPictures(
      FloatBuffer pixelValues, int n, int channels, int height, int width, int patch) {
    if (n < 1 || height < patch || width < patch || height % patch != 0 || width % patch != 0) {
      throw new InvalidRequestException(
          "Cannot encode " + n + " pictures of " + width + "x" + height + " pixels; expected at"
              + " least one, with sides that are multiples of " + patch);
    }
    long needed = (long) n * channels * height * width;
    if (pixelValues.remaining() != needed) {
      throw new InvalidRequestException(
          "Cannot encode " + n + " pictures of " + width + "x" + height + " pixels: expected "
              + needed + " numbers, found " + pixelValues.remaining());
    }
  }

  /** {@return the coder's sizes} */
  public VqConfig config() {
    return config;
  }

  /** Waits for the calls under way, then frees the encoder. */
  @Override
  public void close() {
    program.close();
  }

  /** Finds the codebook vector of least distance: [N, D, y, x] to [N, P]. */
  private static Edge nearest(OnnxGraph graph, ConvBlocks blocks, VqConfig config, Edge latents) {
    Edge flat = graph.node("Reshape", latents, graph.ints(0, config.embedDim(), -1));
    Edge z = graph.node("Transpose", Map.of("perm", new long[] {0, 2, 1}), flat); // [N, P, D]
    Edge codebook =
        graph.weight("quantize.embedding.weight", config.numEmbeddings(), config.embedDim());
    if (config.layout().encodesNormalized()) {
      z = blocks.l2Normalize(z);
      codebook = blocks.l2Normalize(codebook);
    }
    return nearest(graph, z, codebook);
  }

  /** Finds the row of the codebook [E, D] of least distance: [..., P, D] to [..., P]. */
  static Edge nearest(OnnxGraph graph, Edge z, Edge codebook) {
    // |z|^2 + |e|^2 - 2 z.e in the reference's order, so that near ties fall on the same side.
    Edge zz = graph.node("ReduceSumSquare", lastAxis(1), z); // [..., P, 1]
    Edge ee = graph.node("ReduceSumSquare", lastAxis(0), codebook); // [E]
    Edge transposed = graph.node("Transpose", Map.of("perm", new long[] {1, 0}), codebook);
    Edge ze = graph.node("Mul", graph.node("MatMul", z, transposed), graph.scalar(2));
    Edge distance = graph.node("Sub", graph.node("Add", zz, ee), ze); // [..., P, E]
    return graph.node("ArgMin", Map.of("axis", -1L, "keepdims", 0L), distance);
  }

  private static Map<String, Object> lastAxis(long keepDims) {
    return Map.of("axes", new long[] {-1}, "keepdims", keepDims);
  }
}
