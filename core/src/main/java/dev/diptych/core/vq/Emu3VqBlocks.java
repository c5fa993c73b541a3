package dev.diptych.core.vq;

import dev.diptych.core.engine.OnnxGraph;
import dev.diptych.core.engine.OnnxGraph.Edge;
import dev.diptych.core.nn.ConvBlocks;
import dev.diptych.core.nn.ConvBlocks.Features;
import java.util.Map;

/**
 * The pieces of Emu3's coder that {@link ConvBlocks} has not: convolutions in time, norms that read
 * the codes, attention of linears. Names are those below {@code vqmodel.} of a HF-native file.
 *
 * <p>Reference: transformers 5.18, models/emu3/modeling_emu3.py.
 */
public final class Emu3VqBlocks {
  private static final float BATCH_NORM_EPSILON = 1e-5f;

  /** Frames of zeros before the first one: no convolution sees a later frame. */
  private static final int FRAMES_BEFORE = 2;

  private final OnnxGraph graph;
  private final ConvBlocks blocks;
  private final int heads;

  /** Adds to a graph. */
  public Emu3VqBlocks(OnnxGraph graph, ConvBlocks blocks, Emu3VqConfig config) {
    this.graph = graph;
    this.blocks = blocks;
    this.heads = config.numAttentionHeads();
  }

  /** Where a block's norms come from: the features alone, or the codes as well. */
  public interface Norm {
    /** Normalises [N, C, y, x]. */
    Features of(Features x, String name);
  }

  /**
   * {@return a norm that scales and shifts every position by what its code says}
   *
   * @param codes [N, D, rows, columns] float32, the decoder's second input
   */
  public Norm spatialNorm(Features codes) {
    return (x, name) -> {
      Features normal = blocks.groupNorm(x, name + ".norm_layer");
      // The reference repeats the codes to the size of the features. What a 1x1 convolution makes
      // of equal codes is equal, so it runs on the codes, and repeats as it meets the features:
      // two tensors of their size less.
      long factor = x.rows() / codes.rows();
      Edge patches =
          graph.ints(0, x.channels(), codes.rows(), factor, codes.columns(), factor);
      Edge once = graph.ints(0, x.channels(), codes.rows(), 1, codes.columns(), 1);
      Edge scale = blocks.conv1x1(codes, name + ".conv_y", x.channels()).edge();
      Edge shift = blocks.conv1x1(codes, name + ".conv_b", x.channels()).edge();
      Edge split = graph.node("Reshape", normal.edge(), patches);
      Edge scaled = graph.node("Mul", split, graph.node("Reshape", scale, once));
      Edge shifted = graph.node("Add", scaled, graph.node("Reshape", shift, once));
      Edge whole = graph.ints(0, x.channels(), x.rows(), x.columns());
      return with(x, graph.node("Reshape", shifted, whole), x.channels());
    };
  }

  /** Two normalised convolutions around which x passes: [N, C, y, x] to [N, out, y, x]. */
  public Features resBlock(Features x, Norm norm, String name, int out) {
    Features h = blocks.swish(norm.of(x, name + ".norm1"));
    h = blocks.conv3x3(h, name + ".conv1", out);
    h = blocks.swish(norm.of(h, name + ".norm2"));
    h = blocks.conv3x3(h, name + ".conv2", out);
    Features shortcut =
        x.channels() == out ? x : blocks.conv1x1(x, name + ".nin_shortcut", out);
    return with(h, graph.node("Add", shortcut.edge(), h.edge()), out);
  }

  /** Every position attends to every other: [N, C, y, x]. */
  public Features attention(Features x, Norm norm, String name, String normName) {
    Features normal = norm.of(x, normName);
    long headDim = x.channels() / heads;
    Edge perHead = graph.ints(0, heads, headDim, -1);
    Edge q = linear(normal, name + ".q_proj").edge();
    // Scaled before the product, which is far larger; exact where K is a power of 4, as published.
    q = graph.node("Mul", q, graph.scalar((float) (1 / Math.sqrt(headDim))));
    q = graph.node("Reshape", q, perHead); // [N, H, K, P]
    Edge k = graph.node("Reshape", linear(normal, name + ".k_proj").edge(), perHead);
    Edge v = graph.node("Reshape", linear(normal, name + ".v_proj").edge(), perHead);

    Map<String, long[]> swap = Map.of("perm", new long[] {0, 1, 3, 2});
    Edge scores = graph.node("MatMul", graph.node("Transpose", swap, q), k); // [N, H, q, k]
    Edge share = graph.node("Softmax", Map.of("axis", -1L), scores);
    Edge seen = graph.node("MatMul", v, graph.node("Transpose", swap, share)); // [N, H, K, q]

    Edge shape =
        x.rows() < 0
            ? graph.node("Shape", x.edge())
            : graph.ints(0, x.channels(), x.rows(), x.columns());
    Features restored = with(x, graph.node("Reshape", seen, shape), x.channels());
    Features out = linear(restored, name + ".out_proj");
    return with(x, graph.node("Add", x.edge(), out.edge()), x.channels());
  }

  /** Normalised with the statistics of training, then convolved, twice: [N, C, t, y, x]. */
  public Edge temporalResBlock(Edge x, String name, int channels) {
    Edge h = swish(batchNorm(x, name + ".norm1", channels));
    h = conv3d(h, name + ".conv1", channels, channels, 3, 3, 1);
    h = swish(batchNorm(h, name + ".norm2", channels));
    h = conv3d(h, name + ".conv2", channels, channels, 3, 3, 1);
    return graph.node("Add", x, h);
  }

  /** Halves the number of frames: [N, C, t, y, x] to [N, C, t/2, y, x]. */
  public Edge temporalDownsample(Edge x, String name, int channels) {
    return swish(conv3d(x, name + ".conv", channels, channels, 4, 3, 2));
  }

  /**
   * The first frame of twice as many: [N, C, 1, y, x]. The first of the repeated frames is the
   * first frame, and what follows it is not seen.
   */
  public Edge temporalUpsampleFirst(Edge x, String name, int channels) {
    return swish(conv3d(x, name + ".conv", channels, channels, 3, 3, 1));
  }

  /** Mixes frames and channels at every position: [N, in, t, y, x] to [N, out, t, y, x]. */
  public Edge quantConv(Edge x, String name, int in, int out) {
    return conv3d(x, name, in, out, 3, 1, 1);
  }

  private Edge conv3d(
      Edge x, String name, int in, int out, int frames, int kernel, int stride) {
    long around = kernel / 2;
    Map<String, long[]> window =
        Map.of(
            "kernel_shape", new long[] {frames, kernel, kernel},
            "strides", new long[] {stride, 1, 1},
            "pads", new long[] {FRAMES_BEFORE, around, around, 0, around, around});
    return graph.node(
        "Conv",
        window,
        x,
        graph.weight(name + ".conv.weight", out, in, frames, kernel, kernel),
        graph.weight(name + ".conv.bias", out));
  }

  private Edge batchNorm(Edge x, String name, int channels) {
    return graph.node(
        "BatchNormalization",
        Map.of("epsilon", BATCH_NORM_EPSILON),
        x,
        graph.weight(name + ".weight", channels),
        graph.weight(name + ".bias", channels),
        graph.weight(name + ".running_mean", channels),
        graph.weight(name + ".running_var", channels));
  }

  private Edge swish(Edge x) {
    return graph.node("Mul", x, graph.node("Sigmoid", x));
  }

  /** A linear over channels, as the 1x1 convolution that it was before transformers took it. */
  private Features linear(Features x, String name) {
    int channels = x.channels();
    Edge weight =
        graph.node(
            "Reshape",
            graph.weight(name + ".weight", channels, channels),
            graph.ints(channels, channels, 1, 1));
    Edge mixed =
        graph.node(
            "Conv",
            Map.of("kernel_shape", new long[] {1, 1}),
            x.edge(),
            weight,
            graph.weight(name + ".bias", channels));
    return with(x, mixed, channels);
  }

  private static Features with(Features x, Edge edge, int channels) {
    return new Features(edge, channels, x.rows(), x.columns());
  }
}
