package dev.diptych.core.engine;

import dev.diptych.core.engine.OnnxGraph.Edge;
import dev.diptych.core.engine.OnnxGraph.ElementType;
import dev.diptych.core.nn.ConvBlocks;
import dev.diptych.core.nn.ConvBlocks.Features;
import java.nio.FloatBuffer;
import java.util.Random;

/** Graphs for tests, and weights for them. */
final class TestGraphs {
  static final int CHANNELS = 64;

  private TestGraphs() {}

  /** Residual blocks in a row, [N, 64, Y, X] to the same. */
  static OnnxGraph blocks(int count) {
    OnnxGraph graph = new OnnxGraph("blocks");
    ConvBlocks blocks = new ConvBlocks(graph);
    Edge x = graph.input("x", ElementType.FLOAT32, "N", CHANNELS, "Y", "X");
    Features h = new Features(x, CHANNELS);
    for (int i = 0; i < count; i++) {
      h = blocks.resBlock(h, "block." + i, CHANNELS);
    }
    graph.output(h.edge(), "y", ElementType.FLOAT32, "N", CHANNELS, "Y", "X");
    return graph;
  }

  /** Weights of a graph, the same every time. */
  static FloatBuffer random(OnnxGraph.Weight weight) {
    Random random = new Random(weight.name().hashCode());
    FloatBuffer data = OnnxArray.directFloats((int) (weight.bytes() / Float.BYTES));
    long fan = weight.bytes() / Float.BYTES / weight.dims()[0];
    for (int i = 0; i < data.capacity(); i++) {
      data.put(i, (float) (random.nextGaussian() / Math.sqrt(fan)));
    }
    return data;
  }

  /** An input of {@link #blocks}, [1, 64, side, side]. */
  static OnnxArray picture(int side, long seed) {
    Random random = new Random(seed);
    FloatBuffer data = OnnxArray.directFloats(CHANNELS * side * side);
    for (int i = 0; i < data.capacity(); i++) {
      data.put(i, (float) random.nextGaussian());
    }
    return OnnxArray.of(data, 1, CHANNELS, side, side);
  }
}
