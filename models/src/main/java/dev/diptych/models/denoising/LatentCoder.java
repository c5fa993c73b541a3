package dev.diptych.models.denoising;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.Image;
import dev.diptych.core.engine.OnnxGraph;
import dev.diptych.core.engine.OnnxProgram;
import dev.diptych.core.engine.OnnxWeights;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.vae.VaeConfig;
import dev.diptych.core.vae.VaeLayout;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.Weights;
import dev.diptych.decoders.VaeImageDecoder;
import dev.diptych.core.vae.VaeTiling;
import dev.diptych.tokenizers.VaeImageEncoder;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * The coder that makes latents of pictures and pictures of latents, in float32. Each half is loaded
 * by its first use: who only reads pictures pays nothing for the other. A decoder of the user's is
 * opened and checked with the model.
 */
public final class LatentCoder implements AutoCloseable {
  // Latents across the smallest tile of a decoder.
  private static final int LEAST_TILE = 8;

  private final Checkpoint checkpoint;
  private final String prefix;
  private final VaeConfig config;
  private final VaeImageDecoder.Rounding rounding;
  private final VaeTiling tiling;
  private final Scope resources = new Scope();
  private VaeImageEncoder encoder;
  private VaeImageDecoder decoder;

  /**
   * Prepares both halves; none of the checkpoint's is loaded.
   *
   * @param prefix what stands before {@code encoder} and {@code decoder} in the tensors' names
   * @param exported a decoder of the user's
   */
  public LatentCoder(
      Checkpoint checkpoint,
      String prefix,
      VaeConfig config,
      VaeImageDecoder.Rounding rounding,
      Optional<Path> exported) {
    this(checkpoint, prefix, config, rounding, exported, VaeTiling.of(config));
  }

  /**
   * Prepares both halves; none of the checkpoint's is loaded.
   *
   * @param prefix what stands before {@code encoder} and {@code decoder} in the tensors' names
   * @param exported a decoder of the user's
   * @param tiling when pictures are encoded and decoded in tiles
   */
  public LatentCoder(
      Checkpoint checkpoint,
      String prefix,
      VaeConfig config,
      VaeImageDecoder.Rounding rounding,
      Optional<Path> exported,
      VaeTiling tiling) {
    this.checkpoint = checkpoint;
    this.prefix = prefix;
    this.config = config;
    this.rounding = rounding;
    this.tiling = tiling;
    exported.ifPresent(
        file ->
            decoder =
                resources.add(
                    VaeImageDecoder.open(
                        file, config, tiling, OnnxProgram.Options.DEFAULT)));
  }

  /**
   * Asks for every tensor of both halves with its shape.
   *
   * @param prefix as in the constructor
   */
  public static void bind(Weights weights, String prefix, VaeConfig config) {
    VaeLayout layout = VaeLayout.of(weights.checkpoint(), prefix);
    VaeImageEncoder.bind(config, layout, weights.at(prefix));
    VaeImageDecoder.bind(config, layout, weights.at(prefix));
  }

  /**
   * Refuses a coder whose latents a model does not take.
   *
   * @param channels of the latents that the model takes
   * @param key of the model's config that says so
   * @throws CheckpointException if the coder has more or fewer
   */
  public static void requireChannels(VaeConfig config, int channels, String key) {
    if (config.latentChannels() != channels) {
      throw new CheckpointException(
          "The picture coder does not fit the model\n  expected "
              + channels
              + " channels of latents, the model's "
              + key
              + "\n  found    "
              + config.latentChannels()
              + ", latent_channels of the coder's config.json\n  Is the coder that of this"
              + " checkpoint?");
    }
  }

  /**
   * {@return when pictures are encoded and decoded in tiles: under a limit, what it leaves may be features}
   *
   * @param limit most bytes of the whole model, as its caller set it
   * @param held bytes of the limit that the model's weights take
   */
  public static VaeTiling tiling(VaeConfig config, OptionalLong limit, long held) {
    return limit.isPresent()
        ? VaeTiling.of(config, Math.max(1, limit.getAsLong() - held))
        : VaeTiling.of(config);
  }

  /** {@return bytes that both halves take when they are loaded} */
  public static long bytes(Checkpoint checkpoint, String prefix, VaeConfig config) {
    VaeLayout layout = VaeLayout.of(checkpoint, prefix);
    return bytes(VaeImageEncoder.graph(config, layout))
        + bytes(VaeImageDecoder.graph(config, layout));
  }

  private static long bytes(OnnxGraph graph) {
    return graph.weights().stream().mapToLong(OnnxGraph.Weight::bytes).sum();
  }

  /**
   * {@return bytes of features that encoding or decoding a picture takes at least, in the smallest
   * tiles}
   */
  public long leastWork(int rows, int columns) {
    return VaeTiling.activationBytes(
        config, Math.min(rows, LEAST_TILE), Math.min(columns, LEAST_TILE));
  }

  /** {@return the coder's sizes} */
  public VaeConfig config() {
    return config;
  }

  /**
   * Encodes a picture to its most likely latents.
   *
   * @param pixelValues [3, Y, X] in [-1, 1], sides multiples of the coder's patch
   * @param step asked while the encoder works; may throw to end it
   * @return [C, y, x] float32, scaled for the model
   */
  public float[] encode(float[] pixelValues, int height, int width, Runnable step) {
    VaeImageEncoder e = encoder();
    return e.latents(e.encode(FloatBuffer.wrap(pixelValues), 1, height, width, step));
  }

  /**
   * Decodes a picture.
   *
   * @param latents [C, y, x] float32, scaled for the model
   * @param step asked while the decoder works; may throw to end it
   */
  public Image draw(float[] latents, int rows, int columns, Runnable step) {
    return decoder().draw(latents, 1, rows, columns, rounding, step).get(0);
  }

  private synchronized VaeImageEncoder encoder() {
    if (encoder == null) {
      encoder =
          resources.add(
              VaeImageEncoder.load(
                  config, layout(), weights(), tiling, OnnxProgram.Options.DEFAULT));
    }
    return encoder;
  }

  private synchronized VaeImageDecoder decoder() {
    if (decoder == null) {
      decoder =
          resources.add(
              VaeImageDecoder.load(
                  config,
                  layout(),
                  weights(),
                  tiling,
                  OnnxProgram.Options.DEFAULT));
    }
    return decoder;
  }

  private VaeLayout layout() {
    return VaeLayout.of(checkpoint, prefix);
  }

  private OnnxWeights weights() {
    return OnnxWeights.of(checkpoint, prefix);
  }

  @Override
  public synchronized void close() {
    resources.close();
  }
}
