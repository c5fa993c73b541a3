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
  /** Groups of every normalisation; channels are a multiple of it. */
  public static final int NORM_GROUPS = 32;

  private static final float NORM_EPSILON = 1e-6f;

  private final OnnxGraph graph;

  /** Adds to a graph. */
  public ConvBlocks(OnnxGraph graph) {
    this.graph = graph;
  }

  /** Mixes channels: [N, in, y, x] to [N, out, y, x]. */
  public Edge conv1x1(Edge x, String name, int in, int out) {
    return conv(x, name, in, out, 1, 1, 0, 0);
  }

  /** Keeps the size: [N, in, y, x] to [N, out, y, x]. */
  public Edge conv3x3(Edge x, String name, int in, int out) {
    return conv(x, name, in, out, 3, 1, 1, 1);
  }

  /** Halves the size, with zeros added at the bottom and the right alone: [N, C, y, x] to [N, C, y/2, x/2]. */
  public Edge downsample(Edge x, String name, int channels) {
    return conv(x, name, channels, channels, 3, 2, 0, 1);
  }

  /** Doubles the size by repeating pixels, then smooths: [N, C, y, x] to [N, C, 2y, 2x]. */
  public Edge upsample(Edge x, String name, int channels) {
    Edge scales = graph.floats(1, 1, 2, 2);
    Edge repeated =
        graph.node(
            "Resize",
            Map.of(
                "mode", "nearest",
                "coordinate_transformation_mode", "asymmetric",
                "nearest_mode", "floor"),
            x,
            null,
            scales);
    return conv3x3(repeated, name, channels, channels);
  }

  /** Normalises each of 32 groups of channels, then scales each channel: [N, C, y, x] unchanged. */
  public Edge groupNorm(Edge x, String name, int channels) {
    // ONNX Runtime runs GroupNormalization as eleven nodes; each group as one "channel" of an
    // InstanceNormalization is one.
    Edge shape = graph.node("Shape", x);
    Edge grouped = graph.node("Reshape", x, graph.ints(0, NORM_GROUPS, -1));
    Edge normal =
        graph.node(
            "InstanceNormalization",
            Map.of("epsilon", NORM_EPSILON),
            grouped,
            graph.filled(NORM_GROUPS, 1),
            graph.filled(NORM_GROUPS, 0));
    Edge restored = graph.node("Reshape", normal, shape);
    Edge perChannel = graph.ints(channels, 1, 1);
    Edge scale = graph.node("Reshape", graph.weight(name + ".weight", channels), perChannel);
    Edge bias = graph.node("Reshape", graph.weight(name + ".bias", channels), perChannel);
    return graph.node("Add", graph.node("Mul", restored, scale), bias);
  }

  /** {@return x * sigmoid(x)} */
  public Edge swish(Edge x) {
    return graph.node("Mul", x, graph.node("Sigmoid", x));
  }

  /** Two normalised convolutions around which x passes: [N, in, y, x] to [N, out, y, x]. */
  public Edge resBlock(Edge x, String name, int in, int out) {
    Edge h = swish(groupNorm(x, name + ".norm1", in));
    h = conv3x3(h, name + ".conv1", in, out);
    h = swish(groupNorm(h, name + ".norm2", out));
    h = conv3x3(h, name + ".conv2", out, out);
    Edge shortcut = in == out ? x : conv1x1(x, name + ".nin_shortcut", in, out);
    return graph.node("Add", shortcut, h);
  }

  /** Every position attends to every other, one head as wide as all channels: [N, C, y, x]. */
  public Edge attention(Edge x, String name, int channels) {
    Edge normal = groupNorm(x, name + ".norm", channels);
    Edge flat = graph.ints(0, channels, -1);
    Edge q = graph.node("Reshape", conv1x1(normal, name + ".q", channels, channels), flat);
    Edge k = graph.node("Reshape", conv1x1(normal, name + ".k", channels, channels), flat);
    Edge v = graph.node("Reshape", conv1x1(normal, name + ".v", channels, channels), flat);

    Map<String, long[]> swap = Map.of("perm", new long[] {0, 2, 1});
    Edge scores = graph.node("MatMul", graph.node("Transpose", swap, q), k); // [N, q, k]
    Edge scale = graph.scalar((float) (1 / Math.sqrt(channels)));
    Edge share = graph.node("Softmax", Map.of("axis", -1L), graph.node("Mul", scores, scale));
    Edge seen = graph.node("MatMul", v, graph.node("Transpose", swap, share)); // [N, C, q]

    Edge restored = graph.node("Reshape", seen, graph.node("Shape", x));
    return graph.node("Add", x, conv1x1(restored, name + ".proj_out", channels, channels));
  }

  /** Divides each row by its length: [..., D] unchanged. */
  public Edge l2Normalize(Edge x) {
    Map<String, Object> lastAxis = Map.of("axes", new long[] {-1}, "keepdims", 1L);
    Edge length = graph.node("ReduceL2", lastAxis, x);
    // PyTorch's floor, so that a row of zeros stays zeros.
    return graph.node("Div", x, graph.node("Max", length, graph.scalar(1e-12f)));
  }

  private Edge conv(
      Edge x, String name, int in, int out, int kernel, int stride, int before, int after) {
    Map<String, long[]> window =
        Map.of(
            "kernel_shape", new long[] {kernel, kernel},
            "strides", new long[] {stride, stride},
            "pads", new long[] {before, before, after, after});
    return graph.node(
        "Conv",
        window,
        x,
        graph.weight(name + ".weight", out, in, kernel, kernel),
        graph.weight(name + ".bias", out));
  }
}
