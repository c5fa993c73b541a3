package dev.diptych.decoders;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.EngineException;
import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.ResourceLimitException;
import dev.diptych.core.UnsupportedModelException;
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
 * Turns latents into pictures of any size: the KL decoders of Stable Diffusion, SDXL and FLUX,
 * built from a checkpoint or opened from an ONNX file of the user's. A picture that would take more
 * memory than allowed is decoded in tiles that overlap ({@link VaeTiling}). For any number of
 * threads.
 *
 * <p>Reference: diffusers 0.42.1 {@code AutoencoderKL.decode}. Deviations: none; computed in
 * float32.
 *
 * @see <a href="https://arxiv.org/abs/2112.10752">Latent diffusion, §3.1</a>
 */
public final class VaeImageDecoder implements AutoCloseable {
  private static final int RGB = 3;

  /** Pixels of one side; three colours of a square of it still fit into one array. */
  private static final int MAX_SIDE = 1 << 14;

  // The names of optimum's exports, so that a file of ours can stand in for one of theirs.
  private static final String LATENTS = "latent_sample";
  private static final String PIXELS = "sample";

  private final VaeConfig config;
  private final VaeTiling tiling;
  private final OnnxProgram program;

  /** How a number from 0 to 255 becomes a byte. */
  public enum Rounding {
    /** To the nearest, halves to the even: diffusers. */
    NEAREST,

    /** Down: JanusFlow, BAGEL. */
    TRUNCATE
  }

  private VaeImageDecoder(VaeConfig config, VaeTiling tiling, OnnxProgram program) {
    this.config = config;
    this.tiling = tiling;
    this.program = program;
  }

  /**
   * Loads the decoder.
   *
   * @param weights its tensors; they are copied
   */
  public static VaeImageDecoder load(
      VaeConfig config,
      VaeLayout layout,
      OnnxWeights weights,
      VaeTiling tiling,
      OnnxProgram.Options options) {
    if (config.outChannels() != RGB) {
      throw new UnsupportedModelException(
          "The KL decoder gives " + config.outChannels() + " channels; only RGB is supported");
    }
    OnnxProgram program = OnnxProgram.of(graph(config, layout), weights, options);
    return new VaeImageDecoder(config, tiling, program);
  }

  /**
   * Opens a decoder that somebody exported, such as {@code vae_decoder/model.onnx} of optimum:
   * {@code latent_sample} [N, C, y, x] float to {@code sample} [N, 3, Y, X] float.
   *
   * @param config the model's coder; the file does not tell how latents are scaled
   * @throws CheckpointException if the file takes or gives something else
   */
  public static VaeImageDecoder open(
      Path file, VaeConfig config, VaeTiling tiling, OnnxProgram.Options options) {
    OnnxProgram program = OnnxProgram.open(file, options);
    boolean fits =
        program.inputs().stream().allMatch(p -> fits(p, LATENTS, config.latentChannels()))
            && program.outputs().stream().anyMatch(p -> fits(p, PIXELS, RGB));
    if (!fits) {
      List<OnnxProgram.Port> in = program.inputs();
      List<OnnxProgram.Port> out = program.outputs();
      program.close();
      throw new CheckpointException(
          "Cannot decode pictures with " + file + "\n  expected " + LATENTS + " float32 [N, "
              + config.latentChannels() + ", y, x] to " + PIXELS + " float32 [N, 3, Y, X]"
              + "\n  found    " + in + " to " + out
              + "\n  Was it exported from this model, in float32?");
    }
    return new VaeImageDecoder(config, tiling, program);
  }

  /**
   * Asks for every tensor of the decoder with its shape.
   *
   * @param coder the view at the coder's prefix
   */
  public static void bind(VaeConfig config, VaeLayout layout, Weights coder) {
    for (OnnxGraph.Weight weight : graph(config, layout).weights()) {
      coder.require(weight.name(), weight.dims());
    }
  }

  /**
   * Writes the decoder: input {@code latent_sample} [N, C, y, x] float32, not scaled, output {@code
   * sample} [N, 3, Y, X] float32, about [-1, 1].
   *
   * @return a graph to run or to export
   */
  public static OnnxGraph graph(VaeConfig config, VaeLayout layout) {
    OnnxGraph graph = new OnnxGraph("vae-decoder");
    VaeBlocks blocks = new VaeBlocks(graph, config, layout);
    int smallest = config.levels() - 1;
    Edge latents =
        graph.input(LATENTS, ElementType.FLOAT32, "N", config.latentChannels(), "y", "x");

    Features h = new Features(latents, config.latentChannels());
    if (config.usePostQuantConv()) {
      h = blocks.conv().conv1x1(h, "post_quant_conv", h.channels());
    }
    h = blocks.conv().conv3x3(h, "decoder.conv_in", config.channels(smallest));
    h = blocks.mid(h, "decoder");
    for (int level = smallest; level >= 0; level--) {
      String name = layout.decoderLevel(level, config.levels());
      for (int i = 0; i <= config.layersPerBlock(); i++) {
        h = blocks.resBlock(h, layout.resBlock(name, i), config.channels(level));
      }
      if (level > 0) {
        h = blocks.conv().upsample(h, layout.upsample(name));
      }
    }
    h = blocks.out(h, "decoder", config.outChannels());
    graph.output(h.edge(), PIXELS, ElementType.FLOAT32, "N", config.outChannels(), "Y", "X");
    return graph;
  }

  /**
   * Decodes pictures.
   *
   * @param latents [N, C, y, x] float32, as the model that draws them works with: scaled
   * @param n pictures
   * @param rows y
   * @param columns x
   * @param step asked about fifty times a second from another thread; what it throws ends the work
   *     and is thrown here
   * @return [N, 3, Y, X] float32 about [-1, 1], not clipped
   * @throws InvalidRequestException if there are no such pictures, or a latent is not a number
   * @throws ResourceLimitException if even a small tile takes more memory than allowed
   */
  public FloatBuffer decode(float[] latents, int n, int rows, int columns, Runnable step) {
    check(latents, n, rows, columns);
    float[] z = config.unscaled(latents);
    int size = z.length / n;
    int pictureSize = RGB * rows * columns * config.patchSize() * config.patchSize();
    FloatBuffer pixels = FloatBuffer.allocate(Math.multiplyExact(n, pictureSize));
    int tile = tiling.tileSize(config, rows, columns);
    // One by one: a batch would take the memory of all their features at once and save no time.
    for (int i = 0; i < n; i++) {
      float[] one = Arrays.copyOfRange(z, i * size, (i + 1) * size);
      if (tile == VaeTiling.WHOLE) {
        pixels.put(run(one, rows, columns, step));
      } else {
        TiledRun picture =
            new TiledRun(
                new TiledRun.Side(config.latentChannels(), 1),
                new TiledRun.Side(RGB, config.patchSize()),
                rows,
                columns,
                tile);
        pixels.put(picture.run(one, (part, y, x) -> run(part, y, x, step)));
      }
    }
    return pixels.flip();
  }

  /**
   * Draws pictures.
   *
   * @param latents [N, C, y, x] float32, as the model that draws them works with: scaled
   * @param n pictures
   * @param rows y
   * @param columns x
   * @param rounding how pixels become bytes
   * @param step asked about fifty times a second from another thread; what it throws ends the work
   *     and is thrown here
   * @return N pictures
   * @throws EngineException if a pixel is not a number
   */
  public List<Image> draw(
      float[] latents, int n, int rows, int columns, Rounding rounding, Runnable step) {
    FloatBuffer pixels = decode(latents, n, rows, columns, step);
    int height = rows * config.patchSize();
    int width = columns * config.patchSize();
    Image[] images = new Image[n];
    for (int i = 0; i < n; i++) {
      images[i] = image(pixels, i * RGB * height * width, height, width, rounding);
    }
    return List.of(images);
  }

  /** {@return the coder's sizes} */
  public VaeConfig config() {
    return config;
  }

  /** Waits for the calls under way, then frees the decoder. */
  @Override
  public void close() {
    program.close();
  }

  private FloatBuffer run(float[] z, int rows, int columns, Runnable step) {
    OnnxArray one = OnnxArray.of(z, 1, config.latentChannels(), rows, columns);
    OnnxArray drawn = program.run(Map.of(LATENTS, one), step).get(PIXELS);
    int patch = config.patchSize();
    long[] expected = {1, RGB, (long) rows * patch, (long) columns * patch};
    if (!Arrays.equals(drawn.shape(), expected)) {
      // Only a file of the user's, whose sizes its metadata leaves open, can come here.
      throw new CheckpointException(
          "Cannot decode pictures with " + program + "\n  expected " + Arrays.toString(expected)
              + "\n  found    " + drawn + "\n  Was it exported from this model?");
    }
    return drawn.floats();
  }

  private void check(float[] latents, int n, int rows, int columns) {
    int longest = MAX_SIDE / config.patchSize();
    if (n < 1 || rows < 1 || columns < 1 || rows > longest || columns > longest) {
      throw new InvalidRequestException(
          "Cannot decode " + n + " pictures of " + rows + " x " + columns
              + " latents; expected at least one, and sides of 1 to " + longest);
    }
    long needed = (long) n * config.latentChannels() * rows * columns;
    if (latents.length != needed) {
      throw new InvalidRequestException(
          "Cannot decode " + n + " pictures of " + rows + " x " + columns + " latents of "
              + config.latentChannels() + " channels: expected " + needed + " numbers, found "
              + latents.length);
    }
    for (int i = 0; i < latents.length; i++) {
      if (!Float.isFinite(latents[i])) {
        int plane = rows * columns;
        throw new InvalidRequestException(
            "Cannot decode a latent that is " + latents[i] + ": picture "
                + i / (plane * config.latentChannels()) + ", channel "
                + i / plane % config.latentChannels() + ", row " + i % plane / columns + ", column "
                + i % columns);
      }
    }
  }

  private static Image image(
      FloatBuffer pixels, int offset, int height, int width, Rounding rounding) {
    int plane = height * width;
    byte[] rgb = new byte[RGB * plane];
    for (int i = 0; i < plane; i++) {
      for (int c = 0; c < RGB; c++) {
        float pixel = pixels.get(offset + c * plane + i);
        if (Float.isNaN(pixel)) {
          throw new EngineException(
              "The KL decoder gave a pixel that is not a number, in row " + i / width + ", column "
                  + i % width + "\n  Are the weights whole?");
        }
        // In the reference's order and in float32, so that halves fall on the same side.
        float unit = Math.min(Math.max(pixel * 0.5f + 0.5f, 0), 1) * 255;
        rgb[RGB * i + c] = (byte) (rounding == Rounding.NEAREST ? Math.rint(unit) : unit);
      }
    }
    return Image.of(width, height, rgb);
  }

  private static boolean fits(OnnxProgram.Port port, String name, int channels) {
    return port.name().equals(name)
        && port.type().equals("float32")
        && port.shape().size() == 4
        && (port.shape().get(1) < 0 || port.shape().get(1) == channels);
  }
}
