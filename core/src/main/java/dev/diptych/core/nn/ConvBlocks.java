package dev.diptych.core.nn;

import dev.diptych.core.engine.OnnxGraph;
import dev.diptych.core.engine.OnnxGraph.Edge;
import java.util.Map;

/**
 * The pieces that convolutional coders of the taming-transformers line are made of, as nodes of an
 * {@link OnnxGraph}. Weight names are PyTorch's: {@code <name>.weight} and {@code <name>.bias}.
 *
 * @see <a href="https://arxiv.org/abs/2012.09841">Taming Transformers, appendix table 8</a>
 */
public final class ConvBlocks {
  /** Groups of every normalisation, unless told otherwise; channels are a multiple of it. */
  public static final int NORM_GROUPS = 32;

  private static final float NORM_EPSILON = 1e-6f;

  /** A side that each run chooses. */
  private static final int OPEN = -1;

  private final OnnxGraph graph;
  private final int groups;

  /**
   * What a convolution takes and gives.
   *
   * @param edge [N, C, y, x] float32
   * @param channels C
   * @param rows y, or -1 where each run chooses; ONNX Runtime joins a residual addition to the
   *     convolution before it only where sizes are known
   * @param columns x, or -1 where each run chooses
   */
  public record Features(Edge edge, int channels, int rows, int columns) {
    /** Features of any size. */
    public Features(Edge edge, int channels) {
      this(edge, channels, OPEN, OPEN);
    }

    private Features with(Edge edge) {
      return with(edge, channels);
    }

    private Features with(Edge edge, int channels) {
      return new Features(edge, channels, rows, columns);
    }
  }

  /** Adds to a graph. */
  public ConvBlocks(OnnxGraph graph) {
    this(graph, NORM_GROUPS);
  }

  /**
   * Adds to a graph whose normalisations have another number of groups.
   *
   * @param groups channels are a multiple of it
   */
  public ConvBlocks(OnnxGraph graph, int groups) {
    this.graph = graph;
    this.groups = groups;
  }

  /** Mixes channels: [N, C, y, x] to [N, out, y, x]. */
  public Features conv1x1(Features x, String name, int out) {
    return x.with(conv(x, name, out, 1, 1, 0, 0), out);
  }

  /** Keeps the size: [N, C, y, x] to [N, out, y, x]. */
  public Features conv3x3(Features x, String name, int out) {
    return x.with(conv(x, name, out, 3, 1, 1, 1), out);
  }

  /**
   * Halves the size, with zeros added at the bottom and the right alone: [N, C, y, x] to [N, C,
   * y/2, x/2].
   */
  public Features downsample(Features x, String name) {
    Edge half = conv(x, name, x.channels, 3, 2, 0, 1);
    return x.rows == OPEN
        ? x.with(half)
        : new Features(half, x.channels, x.rows / 2, x.columns / 2);
  }

  /** Doubles the size by repeating pixels, then smooths: [N, C, y, x] to [N, C, 2y, 2x]. */
  public Features upsample(Features x, String name) {
    Map<String, String> repeat =
        Map.of(
            "mode", "nearest",
            "coordinate_transformation_mode", "asymmetric",
            "nearest_mode", "floor");
    Edge repeated = graph.node("Resize", repeat, x.edge, null, graph.floats(1, 1, 2, 2));
    Features twice =
        x.rows == OPEN
            ? x.with(repeated)
            : new Features(repeated, x.channels, 2 * x.rows, 2 * x.columns);
    return conv3x3(twice, name, x.channels);
  }

  /** Normalises each group of channels, then scales each channel: [N, C, y, x]. */
  public Features groupNorm(Features x, String name) {
    // ONNX Runtime's CPU has no kernel for GroupNormalization and runs it as eleven nodes; a group
    // as the one "channel" of an InstanceNormalization is one node, and exact.
    Edge grouped = graph.node("Reshape", x.edge, graph.ints(0, groups, -1));
    Edge normal =
        graph.node(
            "InstanceNormalization",
            Map.of("epsilon", NORM_EPSILON),
            grouped,
            graph.filled(groups, 1),
            graph.filled(groups, 0));
    Edge perChannel = graph.ints(x.channels, 1, 1);
    Edge scale = graph.node("Reshape", graph.weight(name + ".weight", x.channels), perChannel);
    Edge bias = graph.node("Reshape", graph.weight(name + ".bias", x.channels), perChannel);
    Edge scaled = graph.node("Mul", graph.node("Reshape", normal, shape(x)), scale);
    return x.with(graph.node("Add", scaled, bias));
  }

  /** {@return x * sigmoid(x)} */
  public Features swish(Features x) {
    // These two nodes are what ONNX Runtime knows to fuse into one.
    return x.with(graph.node("Mul", x.edge, graph.node("Sigmoid", x.edge)));
  }

  /** Two normalised convolutions around which x passes: [N, C, y, x] to [N, out, y, x]. */
  public Features resBlock(Features x, String name, int out) {
    Features h = swish(groupNorm(x, name + ".norm1"));
    h = conv3x3(h, name + ".conv1", out);
    h = swish(groupNorm(h, name + ".norm2"));
    h = conv3x3(h, name + ".conv2", out);
    Features shortcut = x.channels == out ? x : conv1x1(x, name + ".nin_shortcut", out);
    return h.with(graph.node("Add", shortcut.edge, h.edge));
  }

  /** Every position attends to every other, one head as wide as all channels: [N, C, y, x]. */
  public Features attention(Features x, String name) {
    Features normal = groupNorm(x, name + ".norm");
    Edge flat = graph.ints(0, x.channels, -1);
    Edge q = graph.node("Reshape", conv1x1(normal, name + ".q", x.channels).edge, flat);
    Edge k = graph.node("Reshape", conv1x1(normal, name + ".k", x.channels).edge, flat);
    Edge v = graph.node("Reshape", conv1x1(normal, name + ".v", x.channels).edge, flat);

    Map<String, long[]> swap = Map.of("perm", new long[] {0, 2, 1});
    Edge scores = graph.node("MatMul", graph.node("Transpose", swap, q), k); // [N, q, k]
    Edge scale = graph.scalar((float) (1 / Math.sqrt(x.channels)));
    Edge share = graph.node("Softmax", Map.of("axis", -1L), graph.node("Mul", scores, scale));
    Edge seen = graph.node("MatMul", v, graph.node("Transpose", swap, share)); // [N, C, q]

    Features restored = x.with(graph.node("Reshape", seen, shape(x)));
    Features out = conv1x1(restored, name + ".proj_out", x.channels);
    return x.with(graph.node("Add", x.edge, out.edge));
  }

  /** Divides each row by its length: [..., D] unchanged. */
  public Edge l2Normalize(Edge x) {
    Map<String, Object> lastAxis = Map.of("axes", new long[] {-1}, "keepdims", 1L);
    Edge length = graph.node("ReduceL2", lastAxis, x);
    // PyTorch's floor, so that a row of zeros stays zeros.
    return graph.node("Div", x, graph.node("Max", length, graph.scalar(1e-12f)));
  }

  private Edge shape(Features x) {
    return x.rows == OPEN
        ? graph.node("Shape", x.edge)
        : graph.ints(0, x.channels, x.rows, x.columns);
  }

  private Edge conv(
      Features x, String name, int out, int kernel, int stride, int before, int after) {
    Map<String, long[]> window =
        Map.of(
            "kernel_shape", new long[] {kernel, kernel},
            "strides", new long[] {stride, stride},
            "pads", new long[] {before, before, after, after});
    return graph.node(
        "Conv",
        window,
        x.edge,
        graph.weight(name + ".weight", out, x.channels, kernel, kernel),
        graph.weight(name + ".bias", out));
  }
}
