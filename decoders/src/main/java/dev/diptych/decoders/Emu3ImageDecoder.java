package dev.diptych.decoders;

import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.UnsupportedModelException;
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
import dev.diptych.decoders.VqImageDecoder.Grid;
import dev.diptych.decoders.VqImageDecoder.Scale;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;

/**
 * Turns codebook indices into still pictures with the decoder of Emu3's coder; what it loads is
 * used as every {@link VqImageDecoder}.
 *
 * <p>Reference: transformers 5.18 {@code Emu3VQVAE.decode}, which makes the frames of one code and
 * returns the first. No convolution in time sees a later frame and all else sees one frame, so the
 * first frame alone is computed; that is exact. Deviations: none.
 *
 * <p>At the published sizes the features take about 12 kB a pixel, beside 0.65 GB of weights;
 * 0.77 GB were measured for 256 x 256 pixels.
 *
 * @see <a href="https://arxiv.org/abs/2409.18869">Emu3, §2.2</a>
 */
public final class Emu3ImageDecoder {
  private Emu3ImageDecoder() {}

  /**
   * Loads a decoder of pictures of one size. Each has its own copy of the weights: keep few.
   *
   * @param rows rows of codes
   * @param columns columns of codes
   * @param imageMean {@code image_mean} of preprocessor_config.json, three values
   * @param imageStd {@code image_std} of preprocessor_config.json, three values other than 0
   * @param weights its tensors; they are copied
   */
  public static VqImageDecoder load(
      Emu3VqConfig config,
      int rows,
      int columns,
      double[] imageMean,
      double[] imageStd,
      OnnxWeights weights,
      OnnxProgram.Options options) {
    if (config.outChannels() != VqImageDecoder.RGB) {
      throw new UnsupportedModelException(
          "The decoder gives " + config.outChannels() + " channels; only RGB is supported");
    }
    Scale scale = scale(imageMean, imageStd);
    OnnxProgram program = OnnxProgram.of(graph(config, rows, columns), weights, options);
    return new VqImageDecoder(
        program,
        VqImageDecoder.CODES,
        VqImageDecoder.PIXELS,
        new Grid(rows, columns, config.patchSize()),
        config.codebookSize(),
        scale);
  }

  /**
   * Opens a decoder that was exported from {@link #graph}.
   *
   * @param grid the codes of a picture, which the file must agree with
   * @param imageMean {@code image_mean} of preprocessor_config.json, three values
   * @param imageStd {@code image_std} of preprocessor_config.json, three values other than 0
   * @throws dev.diptych.core.CheckpointException if the file takes or gives something else
   */
  public static VqImageDecoder open(
      Path file,
      Emu3VqConfig config,
      Grid grid,
      double[] imageMean,
      double[] imageStd,
      OnnxProgram.Options options) {
    return VqImageDecoder.open(
        file, grid, config.codebookSize(), scale(imageMean, imageStd), options);
  }

  /**
   * Asks for every tensor of the decoder with its shape.
   *
   * @param coder the view at the coder's prefix
   */
  public static void bind(Emu3VqConfig config, Weights coder) {
    for (OnnxGraph.Weight weight : graph(config, 1, 1).weights()) {
      coder.require(weight.name(), weight.dims());
    }
    coder.ignore("*.num_batches_tracked", "a count that only training reads");
  }

  /** {@return bytes of the decoder's weights in memory} */
  public static long weightBytes(Emu3VqConfig config) {
    return graph(config, 1, 1).weightBytes();
  }

  /**
   * Writes the decoder: input {@code generated_tokens} [1, P] int64, output {@code decoded_image}
   * [1, 3, Y, X] float32, normalised as the pictures that were encoded.
   *
   * @param rows rows of codes
   * @param columns columns of codes
   * @return a graph to run or to export
   */
  public static OnnxGraph graph(Emu3VqConfig config, int rows, int columns) {
    Grid grid = new Grid(rows, columns, config.patchSize());
    OnnxGraph graph = new OnnxGraph("emu3-decoder");
    ConvBlocks blocks = new ConvBlocks(graph);
    Emu3VqBlocks emu3 = new Emu3VqBlocks(graph, blocks, config);
    int latents = config.latentChannels();
    Edge ids = graph.input(VqImageDecoder.CODES, ElementType.INT64, 1, grid.numCodes());

    Edge codebook =
        graph.weight("quantize.embedding.weight", config.codebookSize(), config.embedDim());
    Edge quantized = graph.node("Gather", codebook, ids); // [1, P, D]
    quantized = graph.node("Transpose", Map.of("perm", new long[] {0, 2, 1}), quantized);
    Edge volume = graph.ints(1, config.embedDim(), 1, rows, columns);
    quantized = graph.node("Reshape", quantized, volume);
    Edge latent = emu3.quantConv(quantized, "post_quant_conv", config.embedDim(), latents);

    // Latents and codes go the same way through time: [2, C, 1, y, x].
    Edge both = graph.node("Concat", Map.of("axis", 0L), latent, quantized);
    for (int i = 0; i < config.numResBlocks(); i++) {
      both = emu3.temporalResBlock(both, "decoder.time_res_stack." + i, latents);
    }
    for (int i = 0; i < config.temporalLevels(); i++) {
      both = emu3.temporalUpsampleFirst(both, "decoder.time_conv." + i, latents);
    }
    Edge flat = graph.ints(1, latents, rows, columns);
    Edge first = graph.node("Gather", Map.of("axis", 0L), both, graph.ints(0));
    Edge second = graph.node("Gather", Map.of("axis", 0L), both, graph.ints(1));
    Features h = new Features(graph.node("Reshape", first, flat), latents, rows, columns);
    Features codes = new Features(graph.node("Reshape", second, flat), latents, rows, columns);
    Emu3VqBlocks.Norm norm = emu3.spatialNorm(codes);

    int channels = config.channels(config.levels() - 1);
    h = blocks.conv3x3(h, "decoder.conv_in", channels);
    String middle = "decoder.middle_block.";
    h = emu3.resBlock(h, norm, middle + "block_1", channels);
    h = emu3.attention(h, norm, middle + "attn_1", middle + "attn_norm");
    h = emu3.resBlock(h, norm, middle + "block_2", channels);
    for (int level = config.levels() - 1; level >= 0; level--) {
      String name = "decoder.up_block.up." + level + ".";
      for (int i = 0; i <= config.numResBlocks(); i++) {
        h = emu3.resBlock(h, norm, name + "block." + i, config.channels(level));
        if (config.attnResolutions().contains(level)) {
          h = emu3.attention(h, norm, name + "attn." + i, name + "attn_norms." + i);
        }
      }
      if (level > 0) {
        h = blocks.upsample(h, name + "upsample.conv");
      }
    }
    h = blocks.swish(norm.of(h, "decoder.norm_out"));
    h = blocks.conv3x3(h, "decoder.conv_out", config.outChannels());
    graph.output(
        h.edge(),
        VqImageDecoder.PIXELS,
        ElementType.FLOAT32,
        1,
        config.outChannels(),
        grid.height(),
        grid.width());
    return graph;
  }

  /** In the reference's order: divided by 1/std after -mean/std was taken away, in float32. */
  private static Scale scale(double[] mean, double[] std) {
    if (mean.length != VqImageDecoder.RGB
        || std.length != VqImageDecoder.RGB
        || Arrays.stream(std).anyMatch(value -> value == 0)) {
      throw new InvalidRequestException(
          "Cannot undo a normalisation by image_mean " + Arrays.toString(mean) + " and image_std "
              + Arrays.toString(std) + "; expected three values each, image_std other than 0");
    }
    float[] offset = new float[VqImageDecoder.RGB];
    float[] divisor = new float[VqImageDecoder.RGB];
    for (int c = 0; c < VqImageDecoder.RGB; c++) {
      offset[c] = (float) (-mean[c] / std[c]);
      divisor[c] = (float) (1 / std[c]);
    }
    return new Scale(offset, divisor);
  }
}
