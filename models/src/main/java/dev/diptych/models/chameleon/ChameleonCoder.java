package dev.diptych.models.chameleon;

import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
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
 * its first use: who only reads pictures pays nothing for the other. A decoder of the user's is
 * opened and checked with the model.
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
  // The user's, opened with the model; only asked what it draws.
  private VqImageDecoder opened;
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

  /**
   * {@return the coder of a checkpoint that has one}
   *
   * @throws dev.diptych.core.CheckpointException if the user's decoder does not draw the model's
   *     square pictures
   */
  static ChameleonCoder of(ChameleonFiles files, LoadOptions options) {
    ChameleonCoder coder =
        new ChameleonCoder(
            files.checkpoint(),
            files.coderPrefix().orElseThrow(),
            files.vq(),
            options.imageDecoder());
    if (options.imageDecoder().isPresent()) {
      VqConfig vq = coder.config;
      int side = files.config().targetSize().orElse(vq.imageSize()) / vq.patchSize();
      coder.opened = coder.decoders.load(new VqImageDecoder.Grid(side, vq.patchSize()));
    }
    return coder;
  }

  /** {@return whether there is what turns codes into pixels} */
  boolean draws() {
    return config.hasDecoder() || exported.isPresent();
  }

  /**
   * Refuses a size that the decoder of the user's does not draw.
   *
   * @throws InvalidRequestException before anything is drawn
   */
  void requireDrawable(int rows, int columns) {
    if (!drawable(rows, columns)) {
      throw new InvalidRequestException(
          "The picture decoder " + exported.orElseThrow() + " draws no pictures of "
              + columns * config.patchSize() + "x" + rows * config.patchSize()
              + " pixels\n  remedy   another size, or load the model without imageDecoder");
    }
  }

  /** {@return whether there is a decoder for a size} */
  boolean drawable(int rows, int columns) {
    return opened == null
        || opened.draws(new VqImageDecoder.Grid(rows, columns, config.patchSize()));
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
