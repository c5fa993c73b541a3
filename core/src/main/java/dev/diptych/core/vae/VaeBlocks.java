package dev.diptych.core.vae;

import dev.diptych.core.engine.OnnxGraph;
import dev.diptych.core.engine.OnnxGraph.Edge;
import dev.diptych.core.nn.ConvBlocks;
import dev.diptych.core.nn.ConvBlocks.Features;
import java.util.Map;

/**
 * The pieces of a KL coder, by the names of its layout, as nodes of a graph.
 *
 * <p>Reference: diffusers 0.42.1, models/resnet.py and models/attention_processor.py.
 *
 * @see <a href="https://arxiv.org/abs/2112.10752">Latent diffusion, appendix E.1</a>
 */
public final class VaeBlocks {
  private final OnnxGraph graph;
  private final ConvBlocks blocks;
  private final VaeLayout layout;
  private final boolean attends;

  /** Adds to a graph. */
  public VaeBlocks(OnnxGraph graph, VaeConfig config, VaeLayout layout) {
    this.graph = graph;
    this.blocks = new ConvBlocks(graph, config.normNumGroups());
    this.layout = layout;
    this.attends = config.midBlockAddAttention();
  }

  /** {@return the pieces that carry no names of a layout} */
  public ConvBlocks conv() {
    return blocks;
  }

  /** Two normalised convolutions around which x passes: [N, C, y, x] to [N, out, y, x]. */
  public Features resBlock(Features x, String name, int out) {
    Features h = blocks.swish(blocks.groupNorm(x, name + ".norm1"));
    h = blocks.conv3x3(h, name + ".conv1", out);
    h = blocks.swish(blocks.groupNorm(h, name + ".norm2"));
    h = blocks.conv3x3(h, name + ".conv2", out);
    Features around = x.channels() == out ? x : blocks.conv1x1(x, layout.shortcut(name), out);
    return with(h, graph.node("Add", around.edge(), h.edge()));
  }

  /**
   * What lies between encoder or decoder and their levels: [N, C, y, x] unchanged.
   *
   * @param coder {@code encoder} or {@code decoder}
   */
  public Features mid(Features x, String coder) {
    Features h = resBlock(x, layout.midBlock(coder, 0), x.channels());
    if (attends) {
      h = attention(h, layout.midAttention(coder));
    }
    return resBlock(h, layout.midBlock(coder, 1), x.channels());
  }

  /** Normalises, bends and mixes what leaves encoder or decoder: [N, C, y, x] to [N, out, y, x]. */
  public Features out(Features x, String coder, int out) {
    Features h = blocks.swish(blocks.groupNorm(x, layout.normOut(coder)));
    return blocks.conv3x3(h, coder + ".conv_out", out);
  }

  /** Every position attends to every other, one head as wide as all channels: [N, C, y, x]. */
  private Features attention(Features x, String name) {
    Features normal = blocks.groupNorm(x, layout.attentionNorm(name));
    Edge flat = graph.ints(0, x.channels(), -1);
    Edge q = graph.node("Reshape", linear(normal, name, "q"), flat);
    // Scaled before the product, which is far larger.
    q = graph.node("Mul", q, graph.scalar((float) (1 / Math.sqrt(x.channels()))));
    Edge k = graph.node("Reshape", linear(normal, name, "k"), flat);
    Edge v = graph.node("Reshape", linear(normal, name, "v"), flat);

    Map<String, long[]> swap = Map.of("perm", new long[] {0, 2, 1});
    Edge scores = graph.node("MatMul", graph.node("Transpose", swap, q), k); // [N, q, k]
    Edge share = graph.node("Softmax", Map.of("axis", -1L), scores);
    Edge seen = graph.node("MatMul", v, graph.node("Transpose", swap, share)); // [N, C, q]

    Edge shape =
        x.rows() < 0
            ? graph.node("Shape", x.edge())
            : graph.ints(0, x.channels(), x.rows(), x.columns());
    Features restored = with(x, graph.node("Reshape", seen, shape));
    return with(x, graph.node("Add", x.edge(), linear(restored, name, "out")));
  }

  /** A linear over channels, as the 1x1 convolution that it was before diffusers took it. */
  private Edge linear(Features x, String attention, String part) {
    String name = layout.attentionPart(attention, part);
    if (!layout.linearAttention()) {
      return blocks.conv1x1(x, name, x.channels()).edge();
    }
    int channels = x.channels();
    Edge weight =
        graph.node(
            "Reshape",
            graph.weight(name + ".weight", channels, channels),
            graph.ints(channels, channels, 1, 1));
    return graph.node(
        "Conv",
        Map.of("kernel_shape", new long[] {1, 1}),
        x.edge(),
        weight,
        graph.weight(name + ".bias", channels));
  }

  private static Features with(Features x, Edge edge) {
    return new Features(edge, x.channels(), x.rows(), x.columns());
  }
}
