package dev.diptych.tokenizers;

import dev.diptych.core.engine.OnnxArray;
import dev.diptych.core.engine.OnnxGraph;
import dev.diptych.core.engine.OnnxGraph.Edge;
import dev.diptych.core.engine.OnnxGraph.ElementType;
import dev.diptych.core.engine.OnnxProgram;
import dev.diptych.core.engine.OnnxWeights;
import dev.diptych.core.nn.ConvBlocks;
import dev.diptych.core.nn.ConvBlocks.Features;
import dev.diptych.core.vq.Emu3VqBlocks;
import dev.diptych.core.vq.Emu3VqConfig;
import dev.diptych.core.weights.Weights;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.Map;

/**
 * Turns still pictures into codebook indices: the encoder of Emu3's coder. For any number of
 * threads.
 *
 * <p>Reference: transformers 5.18 {@code Emu3VQVAE.encode}, which repeats a picture to the frames
 * of one code. Every frame before the convolutions in time is computed alone, so equal frames are
 * computed once, and repeated where they meet; nothing is left out. Deviations: none.
 *
 * <p>Attention at a position looks at all others: one table of scores has four bytes for every pair
 * of codes and head, 0.26 GB for 720 x 720 pixels at the published sizes.
 *
 * @see <a href="https://arxiv.org/abs/2409.18869">Emu3, §2.2</a>
 */
public final class Emu3ImageTokenizer implements AutoCloseable {
  private static final String PIXELS = "pixel_values";
  private static final String LATENTS = "latents";
  private static final String CODES = "image_codes";

  /** Positions looked up at once: with 32768 codebook vectors, 32 MB of distances. */
  private static final int POSITIONS = 256;

  private final Emu3VqConfig config;
  private final OnnxProgram encoder;
  private final OnnxProgram quantizer;

  private Emu3ImageTokenizer(Emu3VqConfig config, OnnxProgram encoder, OnnxProgram quantizer) {
    this.config = config;
    this.encoder = encoder;
    this.quantizer = quantizer;
  }

  /**
   * Loads the encoder.
   *
   * @param weights its tensors; they are copied
   */
  public static Emu3ImageTokenizer load(
      Emu3VqConfig config, OnnxWeights weights, OnnxProgram.Options options) {
    OnnxProgram encoder = OnnxProgram.of(encoder(config), weights, options);
    try {
      return new Emu3ImageTokenizer(
          config, encoder, OnnxProgram.of(quantizer(config), weights, options));
    } catch (RuntimeException | Error e) {
      encoder.close();
      throw e;
    }
  }

  /**
   * Asks for every tensor of the encoder with its shape.
   *
   * @param coder the view at the coder's prefix
   */
  public static void bind(Emu3VqConfig config, Weights coder) {
    for (OnnxGraph graph : new OnnxGraph[] {encoder(config), quantizer(config)}) {
      for (OnnxGraph.Weight weight : graph.weights()) {
        coder.require(weight.name(), weight.dims());
      }
    }
    coder.ignore("*.num_batches_tracked", "a count that only training reads");
  }

  /** {@return bytes of the encoder's weights in memory} */
  public static long weightBytes(Emu3VqConfig config) {
    return encoder(config).weightBytes() + quantizer(config).weightBytes();
  }

  /**
   * Writes the encoder: input {@code pixel_values} [1, 3, Y, X] float32, output {@code latents} [P,
   * D] float32, row by row.
   */
  static OnnxGraph encoder(Emu3VqConfig config) {
    OnnxGraph graph = new OnnxGraph("emu3-encoder");
    ConvBlocks blocks = new ConvBlocks(graph);
    Emu3VqBlocks emu3 = new Emu3VqBlocks(graph, blocks, config);
    Emu3VqBlocks.Norm norm = blocks::groupNorm;
    Edge pixels = graph.input(PIXELS, ElementType.FLOAT32, 1, config.inChannels(), "Y", "X");

    Features h = new Features(pixels, config.inChannels());
    h = blocks.conv3x3(h, "encoder.conv_in", config.baseChannels());
    for (int level = 0; level < config.levels(); level++) {
      String name = "encoder.down_block.down." + level + ".";
      for (int i = 0; i < config.numResBlocks(); i++) {
        h = emu3.resBlock(h, norm, name + "block." + i, config.channels(level));
        if (config.attnResolutions().contains(level)) {
          h = emu3.attention(h, norm, name + "attn." + i, name + "attn_norms." + i);
        }
      }
      if (level < config.levels() - 1) {
        h = blocks.downsample(h, name + "downsample.conv");
      }
    }
    String middle = "encoder.middle_block.";
    h = emu3.resBlock(h, norm, middle + "block_1", h.channels());
    h = emu3.attention(h, norm, middle + "attn_1", middle + "attn_norm");
    h = emu3.resBlock(h, norm, middle + "block_2", h.channels());
    h = blocks.swish(blocks.groupNorm(h, "encoder.norm_out"));
    int channels = config.latentChannels();
    h = blocks.conv3x3(h, "encoder.conv_out", channels);

    Edge frame = graph.node("Unsqueeze", h.edge(), graph.ints(2)); // [1, C, 1, y, x]
    Edge[] frames = new Edge[config.temporalDownsampleFactor()];
    Arrays.fill(frames, frame);
    Edge z = graph.node("Concat", Map.of("axis", 2L), frames);
    for (int i = 0; i < config.temporalLevels(); i++) {
      z = emu3.temporalDownsample(z, "encoder.time_conv." + i, channels);
    }
    for (int i = 0; i < config.numResBlocks(); i++) {
      z = emu3.temporalResBlock(z, "encoder.time_res_stack." + i, channels);
    }
    z = emu3.quantConv(z, "quant_conv", channels, config.embedDim()); // [1, D, 1, y, x]
    z = graph.node("Reshape", z, graph.ints(config.embedDim(), -1));
    z = graph.node("Transpose", Map.of("perm", new long[] {1, 0}), z);
    graph.output(z, LATENTS, ElementType.FLOAT32, "P", config.embedDim());
    return graph;
  }

  /** Writes the search: input {@code latents} [n, D] float32, output {@code image_codes} [n]. */
  static OnnxGraph quantizer(Emu3VqConfig config) {
    OnnxGraph graph = new OnnxGraph("emu3-quantizer");
    Edge z = graph.input(LATENTS, ElementType.FLOAT32, "n", config.embedDim());
    Edge codebook =
        graph.weight("quantize.embedding.weight", config.codebookSize(), config.embedDim());
    graph.output(
        VqImageTokenizer.nearest(graph, z, codebook), CODES, ElementType.INT64, "n");
    return graph;
  }

  /**
   * Encodes pictures.
   *
   * @param pixelValues [N, 3, Y, X] float32, normalised; Y and X multiples of the patch size
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
    VqImageTokenizer.checkPictures(
        pixelValues, n, config.inChannels(), height, width, config.patchSize());
    int pictureSize = pixelValues.remaining() / n;
    int[][] codes = new int[n][];
    for (int i = 0; i < n; i++) {
      OnnxArray picture =
          OnnxArray.of(
              pixelValues.slice(pixelValues.position() + i * pictureSize, pictureSize),
              1,
              config.inChannels(),
              height,
              width);
      step.run();
      codes[i] = nearest(encoder.run(Map.of(PIXELS, picture), step).get(LATENTS).floats(), step);
    }
    return codes;
  }

  /** Some positions at a time: all distances of a large picture would fill gigabytes. */
  private int[] nearest(FloatBuffer latents, Runnable step) {
    int length = config.embedDim();
    int positions = latents.remaining() / length;
    int[] codes = new int[positions];
    for (int from = 0; from < positions; from += POSITIONS) {
      int count = Math.min(POSITIONS, positions - from);
      OnnxArray some =
          OnnxArray.of(latents.slice(from * length, count * length), count, length);
      step.run();
      long[] found = quantizer.run(Map.of(LATENTS, some), step).get(CODES).toLongs();
      for (int i = 0; i < count; i++) {
        codes[from + i] = Math.toIntExact(found[i]);
      }
    }
    return codes;
  }

  /** {@return the coder's sizes} */
  public Emu3VqConfig config() {
    return config;
  }

  /** Waits for the calls under way, then frees the encoder. */
  @Override
  public void close() {
    encoder.close();
    quantizer.close();
  }
}
