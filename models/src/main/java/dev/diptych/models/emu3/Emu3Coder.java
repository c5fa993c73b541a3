package dev.diptych.models.emu3;

import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.engine.OnnxProgram;
import dev.diptych.core.engine.OnnxWeights;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.vq.Emu3VqConfig;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.Weights;
import dev.diptych.decoders.Emu3ImageDecoder;
import dev.diptych.decoders.VqImageDecoder;
import dev.diptych.decoders.VqImageDecoders;
import dev.diptych.tokenizers.Emu3ImageTokenizer;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Optional;

/**
 * The coder that makes codes of pictures and pictures of codes, in float32. Each half is loaded by
 * its first use: who only reads pictures pays nothing for the other. A decoder of the user's is
 * opened and checked with the model.
 */
final class Emu3Coder implements AutoCloseable {
  // A decoder of another size has its own copy of the weights, so only the latest ones are kept.
  private static final int KEPT_DECODERS = 2;

  private final Checkpoint checkpoint;
  private final Emu3VqConfig config;
  private final double[] imageMean;
  private final double[] imageStd;
  private final Optional<Path> exported;
  private final Scope resources = new Scope();
  private final VqImageDecoders decoders;
  // The user's, opened with the model; only asked what it draws.
  private VqImageDecoder opened;
  private Emu3ImageTokenizer encoder;

  /**
   * Prepares both halves; nothing is loaded.
   *
   * @param files whose tensors, and whose normalisation of pictures, undone after decoding
   */
  Emu3Coder(Emu3Files files, LoadOptions options) {
    this.checkpoint = files.checkpoint();
    this.config = files.config().vq();
    this.imageMean = files.imageMean();
    this.imageStd = files.imageStd();
    this.exported = options.imageDecoder();
    this.decoders = new VqImageDecoders(KEPT_DECODERS, 1, this::decoder);
  }

  /** Asks for every tensor of both halves with its shape. */
  static void bind(Weights weights, Emu3VqConfig config) {
    Weights coder = weights.at(Emu3Weights.coderPrefix(weights.checkpoint()));
    Emu3ImageTokenizer.bind(config, coder);
    Emu3ImageDecoder.bind(config, coder);
  }

  /** {@return bytes that both halves take when they are loaded, with every decoder that is kept} */
  static long bytes(Emu3VqConfig config) {
    return Emu3ImageTokenizer.weightBytes(config)
        + KEPT_DECODERS * Emu3ImageDecoder.weightBytes(config);
  }

  /**
   * Opens the user's decoder, if there is one, before anything is drawn.
   *
   * @throws dev.diptych.core.CheckpointException if it does not draw pictures of a size
   */
  void openExported(int rows, int columns) {
    if (exported.isPresent()) {
      opened = decoders.load(new VqImageDecoder.Grid(rows, columns, config.patchSize()));
    }
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

  /**
   * Bytes of work that a picture takes in either half. Attention at a position looks at all others:
   * it keeps about three numbers for every pair, and outgrows everything else from some hundred
   * pixels on.
   */
  long attentionBytes(int rows, int columns) {
    // The middle looks at the codes' own positions; a finer level has four times as many a step.
    int finest =
        config.attnResolutions().stream()
            .mapToInt(level -> Math.min(level, config.levels() - 1))
            .min()
            .orElse(config.levels() - 1);
    double positions = (double) rows * columns * (1L << 2 * (config.levels() - 1 - finest));
    return (long) (3 * Float.BYTES * config.numAttentionHeads() * positions * positions);
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

  private synchronized Emu3ImageTokenizer encoder() {
    if (encoder == null) {
      encoder =
          resources.add(
              Emu3ImageTokenizer.load(config, weights(), OnnxProgram.Options.DEFAULT));
    }
    return encoder;
  }

  private OnnxWeights weights() {
    return OnnxWeights.of(checkpoint, Emu3Weights.coderPrefix(checkpoint));
  }

  /**
   * Makes pixels of codes, one picture at a time: each uses all cores, and its features take 12 kB a
   * pixel.
   *
   * @param codes [rows * columns], -1 where not known
   * @param whole whether all are known
   * @param step asked while the decoder works, and while another picture is waited for
   */
  Image draw(int[] codes, int rows, int columns, boolean whole, Runnable step) {
    VqImageDecoder.Grid grid = new VqImageDecoder.Grid(rows, columns, config.patchSize());
    return decoders.draw(codes, grid, whole, step);
  }

  private VqImageDecoder decoder(VqImageDecoder.Grid grid) {
    return exported.isPresent()
        ? Emu3ImageDecoder.open(
            exported.get(), config, grid, imageMean, imageStd, OnnxProgram.Options.DEFAULT)
        : Emu3ImageDecoder.load(
            config,
            grid.rows(),
            grid.columns(),
            imageMean,
            imageStd,
            weights(),
            OnnxProgram.Options.DEFAULT);
  }

  @Override
  public synchronized void close() {
    try (resources) {
      decoders.close();
    }
  }
}
