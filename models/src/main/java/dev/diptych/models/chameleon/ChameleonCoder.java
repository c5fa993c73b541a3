package dev.diptych.models.chameleon;

import dev.diptych.core.Image;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.engine.OnnxGraph;
import dev.diptych.core.engine.OnnxProgram;
import dev.diptych.core.engine.OnnxWeights;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.vq.VqConfig;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.decoders.VqImageDecoder;
import dev.diptych.decoders.VqImageDecoders;
import dev.diptych.tokenizers.VqImageTokenizer;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Optional;

/**
 * The VQGAN that makes codes of pictures and pictures of codes, in float32. Each half is loaded by
 * its first use: who only reads pictures pays nothing for the other.
 */
final class ChameleonCoder implements AutoCloseable {
  // A decoder of another size has its own copy of the weights, so only the latest ones are kept.
  private static final int KEPT_DECODERS = 2;

  private final Checkpoint checkpoint;
  private final String prefix;
  private final VqConfig config;
  private final Optional<Path> exported;
  private final Scope resources = new Scope();
  private final VqImageDecoders decoders;
  private VqImageTokenizer encoder;

  private ChameleonCoder(
      Checkpoint checkpoint, String prefix, VqConfig config, Optional<Path> exported) {
    this.checkpoint = checkpoint;
    this.prefix = prefix;
    this.config = config;
    this.exported = exported;
    this.decoders = new VqImageDecoders(KEPT_DECODERS, Integer.MAX_VALUE, this::decoder);
  }

  /**
   * {@return bytes that both halves take when they are loaded, with every decoder that is kept}
   *
   * @param sizes that pictures are drawn in
   */
  static long bytes(VqConfig config, int sizes) {
    long decoder = config.hasDecoder() ? bytes(VqImageDecoder.graph(config)) : 0;
    return Math.min(sizes, KEPT_DECODERS) * decoder + bytes(VqImageTokenizer.graph(config));
  }

  private static long bytes(OnnxGraph graph) {
    return graph.weights().stream().mapToLong(OnnxGraph.Weight::bytes).sum();
  }

  /** {@return the coder of a checkpoint that has one} */
  static ChameleonCoder of(ChameleonFiles files, LoadOptions options) {
    return new ChameleonCoder(
        files.checkpoint(),
        files.coderPrefix().orElseThrow(),
        files.vq(),
        options.imageDecoder());
  }

  /** {@return whether there is what turns codes into pixels} */
  boolean draws() {
    return config.hasDecoder() || exported.isPresent();
  }

  VqConfig config() {
    return config;
  }

  /**
   * Finds the codes of a picture.
   *
   * @param pixelValues [3, Y, X]
   * @param step asked while the encoder works; may throw to end it
   * @return [Y / patch * X / patch] codes, row by row
   */
  int[] encode(float[] pixelValues, int height, int width, Runnable step) {
    return encoder().encode(FloatBuffer.wrap(pixelValues), 1, height, width, step)[0];
  }

  private synchronized VqImageTokenizer encoder() {
    if (encoder == null) {
      encoder =
          resources.add(
              VqImageTokenizer.load(
                  config, OnnxWeights.of(checkpoint, prefix), OnnxProgram.Options.DEFAULT));
    }
    return encoder;
  }

  /**
   * Makes pixels of codes.
   *
   * @param codes [rows * columns], -1 where not known
   * @param whole whether all are known
   */
  Image draw(int[] codes, int rows, int columns, boolean whole, Runnable step) {
    VqImageDecoder.Grid grid = new VqImageDecoder.Grid(rows, columns, config.patchSize());
    return decoders.draw(codes, grid, whole, step);
  }

  private VqImageDecoder decoder(VqImageDecoder.Grid grid) {
    return exported.isPresent()
        ? VqImageDecoder.open(
            exported.get(), grid, config.numEmbeddings(), OnnxProgram.Options.DEFAULT)
        : VqImageDecoder.load(
            config,
            grid.rows(),
            grid.columns(),
            OnnxWeights.of(checkpoint, prefix),
            OnnxProgram.Options.DEFAULT);
  }

  @Override
  public synchronized void close() {
    try (resources) {
      decoders.close();
    }
  }
}
