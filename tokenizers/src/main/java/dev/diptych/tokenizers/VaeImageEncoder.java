package dev.diptych.tokenizers;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.EngineException;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.engine.OnnxArray;
import dev.diptych.core.engine.OnnxGraph;
import dev.diptych.core.engine.OnnxGraph.Edge;
import dev.diptych.core.engine.OnnxGraph.ElementType;
import dev.diptych.core.engine.OnnxProgram;
import dev.diptych.core.engine.OnnxWeights;
import dev.diptych.core.nn.ConvBlocks.Features;
import dev.diptych.core.vae.TiledRun;
import dev.diptych.core.vae.VaeBlocks;
import dev.diptych.core.vae.VaeConfig;
import dev.diptych.core.vae.VaeLayout;
import dev.diptych.core.vae.VaeTiling;
import dev.diptych.core.weights.Weights;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * Turns pictures into latents: the KL encoders of Stable Diffusion, SDXL and FLUX, built from a
 * checkpoint or opened from an ONNX file of the user's. A picture that would take more memory than
 * allowed is encoded in tiles that overlap ({@link VaeTiling}). For any number of threads.
 *
 * <p>Reference: diffusers 0.42.1 {@code AutoencoderKL.encode}. Deviations: none; computed in
 * float32.
 *
 * @see <a href="https://arxiv.org/abs/2112.10752">Latent diffusion, §3.1</a>
 */
public final class VaeImageEncoder implements AutoCloseable {
  // The names of optimum's exports, so that a file of ours can stand in for one of theirs.
  private static final String PIXELS = "sample";
  private static final String MOMENTS = "latent_parameters";

  private static final float MIN_LOG_VARIANCE = -30;
  private static final float MAX_LOG_VARIANCE = 20;

  private final VaeConfig config;
  private final VaeTiling tiling;
  private final OnnxProgram program;

  private VaeImageEncoder(VaeConfig config, VaeTiling tiling, OnnxProgram program) {
    this.config = config;
    this.tiling = tiling;
    this.program = program;
  }

  /**
   * What the encoder says of each latent: a normal distribution.
   *
   * @param mean [N, C, y, x] float32, not scaled
   * @param logVariance [N, C, y, x] float32 in [-30, 20]
   * @param rows y
   * @param columns x
   */
  public record Moments(float[] mean, float[] logVariance, int rows, int columns) {}

  /**
   * Loads the encoder.
   *
   * @param weights its tensors; they are copied
   */
  public static VaeImageEncoder load(
      VaeConfig config,
      VaeLayout layout,
      OnnxWeights weights,
      VaeTiling tiling,
      OnnxProgram.Options options) {
    OnnxProgram program = OnnxProgram.of(graph(config, layout), weights, options);
    return new VaeImageEncoder(config, tiling, program);
  }

  /**
   * Opens an encoder that somebody exported, such as {@code vae_encoder/model.onnx} of optimum:
   * {@code sample} [N, 3, Y, X] float to {@code latent_parameters} [N, 2C, y, x] float.
   *
   * @param config the model's coder; the file does not tell how latents are scaled
   * @throws CheckpointException if the file takes or gives something else
   */
  public static VaeImageEncoder open(
      Path file, VaeConfig config, VaeTiling tiling, OnnxProgram.Options options) {
    OnnxProgram program = OnnxProgram.open(file, options);
    boolean fits =
        program.inputs().stream().allMatch(p -> fits(p, PIXELS, config.inChannels()))
            && program.outputs().stream()
                .anyMatch(p -> fits(p, MOMENTS, 2 * config.latentChannels()));
    if (!fits) {
      List<OnnxProgram.Port> in = program.inputs();
      List<OnnxProgram.Port> out = program.outputs();
      program.close();
      throw new CheckpointException(
          "Cannot encode pictures with " + file + "\n  expected " + PIXELS + " float32 [N, "
              + config.inChannels() + ", Y, X] to " + MOMENTS + " float32 [N, "
              + 2 * config.latentChannels() + ", y, x]\n  found    " + in + " to " + out
              + "\n  Was it exported from this model, in float32?");
    }
    return new VaeImageEncoder(config, tiling, program);
  }

  /**
   * Asks for every tensor of the encoder with its shape, and leaves out what belongs to training.
   *
   * @param coder the view at the coder's prefix
   */
  public static void bind(VaeConfig config, VaeLayout layout, Weights coder) {
    for (OnnxGraph.Weight weight : graph(config, layout).weights()) {
      coder.require(weight.name(), weight.dims());
    }
    coder.ignore("loss.*", "the discriminator and the perceptual loss, which only training reads");
  }

  /**
   * Writes the encoder: input {@code sample} [N, 3, Y, X] float32 in [-1, 1], output {@code
   * latent_parameters} [N, 2C, y, x] float32, means before logarithms of variances.
   *
   * @return a graph to run or to export
   */
  public static OnnxGraph graph(VaeConfig config, VaeLayout layout) {
    OnnxGraph graph = new OnnxGraph("vae-encoder");
    VaeBlocks blocks = new VaeBlocks(graph, config, layout);
    Edge pixels = graph.input(PIXELS, ElementType.FLOAT32, "N", config.inChannels(), "Y", "X");

    Features h = new Features(pixels, config.inChannels());
    h = blocks.conv().conv3x3(h, "encoder.conv_in", config.channels(0));
    for (int level = 0; level < config.levels(); level++) {
      String name = layout.encoderLevel(level);
      for (int i = 0; i < config.layersPerBlock(); i++) {
        h = blocks.resBlock(h, layout.resBlock(name, i), config.channels(level));
      }
      if (level < config.levels() - 1) {
        h = blocks.conv().downsample(h, layout.downsample(name));
      }
    }
    h = blocks.mid(h, "encoder");
    h = blocks.out(h, "encoder", 2 * config.latentChannels());
    if (config.useQuantConv()) {
      h = blocks.conv().conv1x1(h, "quant_conv", h.channels());
    }
    graph.output(h.edge(), MOMENTS, ElementType.FLOAT32, "N", h.channels(), "y", "x");
    return graph;
  }

  /**
   * Encodes pictures.
   *
   * @param pixelValues [N, 3, Y, X] float32 in [-1, 1]; Y and X multiples of the patch size
   * @param n pictures
   * @param height Y in pixels
   * @param width X in pixels
   * @param step asked about fifty times a second from another thread; what it throws ends the work
   *     and is thrown here
   * @throws InvalidRequestException if there are no such pictures
   * @throws dev.diptych.core.ResourceLimitException if even a small tile takes more memory than
   *     allowed
   */
  public Moments encode(FloatBuffer pixelValues, int n, int height, int width, Runnable step) {
    VqImageTokenizer.checkPictures(
        pixelValues, n, config.inChannels(), height, width, config.patchSize());
    int rows = height / config.patchSize();
    int columns = width / config.patchSize();
    int size = config.latentChannels() * rows * columns;
    float[] mean = new float[Math.multiplyExact(n, size)];
    float[] logVariance = new float[mean.length];
    int pictureSize = pixelValues.remaining() / n;
    int tile = tiling.tileSize(config, rows, columns);
    // One by one: a batch would take the memory of all their features at once and save no time.
    for (int i = 0; i < n; i++) {
      FloatBuffer picture =
          pixelValues.slice(pixelValues.position() + i * pictureSize, pictureSize);
      FloatBuffer found =
          tile == VaeTiling.WHOLE
              ? run(picture, rows, columns, step)
              : FloatBuffer.wrap(inTiles(picture, rows, columns, tile, step));
      found.get(mean, i * size, size).get(logVariance, i * size, size);
    }
    for (int i = 0; i < mean.length; i++) {
      if (!Float.isFinite(mean[i]) || Float.isNaN(logVariance[i])) {
        throw new EngineException(
            "The KL encoder gave a latent that is not a number, picture " + i / size
                + "\n  Are pixels and weights numbers?");
      }
      logVariance[i] = Math.min(Math.max(logVariance[i], MIN_LOG_VARIANCE), MAX_LOG_VARIANCE);
    }
    return new Moments(mean, logVariance, rows, columns);
  }

  private float[] inTiles(FloatBuffer picture, int rows, int columns, int tile, Runnable step) {
    float[] pixels = new float[picture.remaining()];
    picture.get(pixels);
    TiledRun tiles =
        new TiledRun(
            new TiledRun.Side(config.inChannels(), config.patchSize()),
            new TiledRun.Side(2 * config.latentChannels(), 1),
            rows,
            columns,
            tile);
    return tiles.run(pixels, (part, y, x) -> run(FloatBuffer.wrap(part), y, x, step));
  }

  /** {@return [2C, y, x], means before logarithms of variances} */
  private FloatBuffer run(FloatBuffer picture, int rows, int columns, Runnable step) {
    int patch = config.patchSize();
    OnnxArray pixels =
        OnnxArray.of(
            picture, 1, config.inChannels(), (long) rows * patch, (long) columns * patch);
    OnnxArray found = program.run(Map.of(PIXELS, pixels), step).get(MOMENTS);
    long[] expected = {1, 2L * config.latentChannels(), rows, columns};
    if (!Arrays.equals(found.shape(), expected)) {
      // Only a file of the user's, whose sizes its metadata leaves open, can come here.
      throw new CheckpointException(
          "Cannot encode pictures with " + program + "\n  expected " + Arrays.toString(expected)
              + "\n  found    " + found + "\n  Was it exported from this model?");
    }
    return found.floats();
  }

  /**
   * {@return [N, C, y, x] float32, the most likely latents, scaled for the model that draws them}
   */
  public float[] latents(Moments moments) {
    return config.scaled(moments.mean());
  }

  /**
   * Draws latents.
   *
   * @param noise [N, C, y, x] float32, standard normal numbers
   * @return [N, C, y, x] float32, scaled for the model that draws them
   * @throws InvalidRequestException if there are more or fewer numbers than latents
   */
  public float[] latents(Moments moments, float[] noise) {
    float[] mean = moments.mean();
    if (noise.length != mean.length) {
      throw new InvalidRequestException(
          "Cannot draw " + mean.length + " latents from " + noise.length
              + " numbers of noise; expected as many");
    }
    float[] z = new float[mean.length];
    for (int i = 0; i < z.length; i++) {
      z[i] = mean[i] + (float) Math.exp(0.5f * moments.logVariance()[i]) * noise[i];
    }
    return config.scaled(z);
  }

  /** {@return the coder's sizes} */
  public VaeConfig config() {
    return config;
  }

  /** Waits for the calls under way, then frees the encoder. */
  @Override
  public void close() {
    program.close();
  }

  private static boolean fits(OnnxProgram.Port port, String name, int channels) {
    return port.name().equals(name)
        && port.type().equals("float32")
        && port.shape().size() == 4
        && (port.shape().get(1) < 0 || port.shape().get(1) == channels);
  }
}
