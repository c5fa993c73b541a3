package dev.diptych.core.vae;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.JsonMap;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;

/**
 * The sizes of a KL coder (Stable Diffusion, SDXL, FLUX): keys and defaults of diffusers 0.42.1
 * {@code AutoencoderKL}. Levels are counted from the largest picture to the smallest; each is half
 * the one before.
 *
 * @param inChannels colours in
 * @param outChannels colours out
 * @param blockOutChannels channels of each level
 * @param layersPerBlock residual blocks of an encoder level; a decoder level has one more
 * @param latentChannels channels of the latents
 * @param normNumGroups groups of every normalisation
 * @param sampleSize pixels across a picture of training, and across a tile
 * @param scalingFactor what latents are multiplied by for the model that draws them
 * @param shiftFactor what is taken off before, 0 where nothing is
 * @param useQuantConv whether a 1x1 convolution follows the encoder
 * @param usePostQuantConv whether a 1x1 convolution precedes the decoder
 * @param midBlockAddAttention whether there is attention at the smallest level
 */
public record VaeConfig(
    int inChannels,
    int outChannels,
    List<Integer> blockOutChannels,
    int layersPerBlock,
    int latentChannels,
    int normNumGroups,
    int sampleSize,
    double scalingFactor,
    double shiftFactor,
    boolean useQuantConv,
    boolean usePostQuantConv,
    boolean midBlockAddAttention) {

  /** The scaling factor of Stable Diffusion 1 and 2. */
  public static final double SD_SCALING = 0.18215;

  /** The scaling factor of SDXL. */
  public static final double SDXL_SCALING = 0.13025;

  /** The scaling factor of FLUX.1. */
  public static final double FLUX_SCALING = 0.3611;

  /** The shift of FLUX.1. */
  public static final double FLUX_SHIFT = 0.1159;

  /** Groups of every published coder; no tensor tells them. */
  private static final int PUBLISHED_GROUPS = 32;

  private static final int MAX_CHANNELS = 1 << 16;
  private static final int MAX_LEVELS = 8;
  private static final int MAX_LAYERS = 16;
  private static final int MAX_SAMPLE_SIZE = 1 << 14;

  /**
   * Checks every size.
   *
   * @throws CheckpointException if one is out of range or sizes do not go together
   */
  public VaeConfig {
    blockOutChannels = List.copyOf(blockOutChannels);
    require("in_channels", inChannels, MAX_CHANNELS);
    require("out_channels", outChannels, MAX_CHANNELS);
    require("number of block_out_channels", blockOutChannels.size(), MAX_LEVELS);
    require("layers_per_block", layersPerBlock, MAX_LAYERS);
    require("latent_channels", latentChannels, MAX_CHANNELS);
    require("norm_num_groups", normNumGroups, MAX_CHANNELS);
    require("sample_size", sampleSize, MAX_SAMPLE_SIZE);
    for (int channels : blockOutChannels) {
      require("block_out_channels", channels, MAX_CHANNELS);
      if (channels % normNumGroups != 0) {
        throw new CheckpointException(
            "A level of the KL coder has " + channels + " channels; expected a multiple of"
                + " norm_num_groups, " + normNumGroups);
      }
    }
    if (!(Math.abs(scalingFactor) > 1e-6 && Math.abs(scalingFactor) < 1e6)) {
      throw new CheckpointException(
          "The KL coder's scaling_factor is " + scalingFactor + "; expected a number other than 0");
    }
    if (!(Math.abs(shiftFactor) < 1e6)) {
      throw new CheckpointException(
          "The KL coder's shift_factor is " + shiftFactor + "; expected a number");
    }
  }

  /**
   * Reads the config.json of a diffusers vae folder.
   *
   * @throws CheckpointException if sizes are out of range or do not go together
   * @throws UnsupportedModelException if the coder is of another kind
   */
  public static VaeConfig read(JsonMap config) {
    refuseOthers(config, "_class_name", "AutoencoderKL");
    refuseOthers(config, "act_fn", "silu");
    refuseOtherBlocks(config, "down_block_types", "DownEncoderBlock2D");
    refuseOtherBlocks(config, "up_block_types", "UpDecoderBlock2D");
    for (String key : List.of("latents_mean", "latents_std")) {
      if (config.has(key)) {
        throw new UnsupportedModelException(
            config + ": the coder has " + key + "; this library scales all channels alike");
      }
    }
    List<Integer> channels = new ArrayList<>();
    if (config.has("block_out_channels")) {
      config
          .integers("block_out_channels", 1, MAX_CHANNELS)
          .forEach(c -> channels.add(c.intValue()));
    } else {
      channels.add(64);
    }
    int sampleSize =
        config.kind("sample_size") == JsonMap.Kind.ARRAY
            ? config.integers("sample_size", 1, MAX_SAMPLE_SIZE).stream()
                .findFirst()
                .orElseThrow(() -> config.refuse("sample_size", "a size"))
                .intValue()
            : config.integerOr("sample_size", 32, 1, MAX_SAMPLE_SIZE);
    return new VaeConfig(
        config.integerOr("in_channels", 3, 1, MAX_CHANNELS),
        config.integerOr("out_channels", 3, 1, MAX_CHANNELS),
        channels,
        config.integerOr("layers_per_block", 1, 1, MAX_LAYERS),
        config.integerOr("latent_channels", 4, 1, MAX_CHANNELS),
        config.integerOr("norm_num_groups", PUBLISHED_GROUPS, 1, MAX_CHANNELS),
        sampleSize,
        config.numberOr("scaling_factor", SD_SCALING, -1e6, 1e6),
        config.numberOr("shift_factor", 0, -1e6, 1e6),
        config.boolOr("use_quant_conv", true),
        config.boolOr("use_post_quant_conv", true),
        config.boolOr("mid_block_add_attention", true));
  }

  /**
   * Reads the sizes off the tensors, for checkpoints that come without a config: Stable Diffusion's
   * and FLUX's own files. Whether every tensor fits is for the binding to say. Encoder or decoder
   * may be missing.
   *
   * @param prefix what stands before {@code encoder} and {@code decoder}, its last dot included
   * @param sampleSize pixels across a picture of training, which no tensor tells
   * @param scalingFactor what latents are multiplied by, which no tensor tells
   * @param shiftFactor what is taken off before, which no tensor tells
   * @throws CheckpointException if the tensors are not those of such a coder
   */
  public static VaeConfig infer(
      Checkpoint checkpoint,
      String prefix,
      int sampleSize,
      double scalingFactor,
      double shiftFactor) {
    return infer(
        checkpoint, prefix, PUBLISHED_GROUPS, sampleSize, scalingFactor, shiftFactor);
  }

  /**
   * Reads the sizes off the tensors of a coder whose groups are not the usual 32.
   *
   * @see #infer(Checkpoint, String, int, double, double)
   */
  static VaeConfig infer(
      Checkpoint checkpoint,
      String prefix,
      int normNumGroups,
      int sampleSize,
      double scalingFactor,
      double shiftFactor) {
    VaeLayout layout = VaeLayout.of(checkpoint, prefix);
    boolean encodes = checkpoint.names().contains(prefix + "encoder.conv_in.weight");
    boolean decodes = checkpoint.names().contains(prefix + "decoder.conv_in.weight");
    String coder = decodes ? "decoder" : "encoder";
    IntFunction<String> stored =
        i -> decodes ? layout.storedDecoderLevel(i) : layout.encoderLevel(i);
    int levels = 0;
    while (levels <= MAX_LEVELS && has(checkpoint, prefix, layout, stored.apply(levels), 0)) {
      levels++;
    }
    int all = levels;
    IntFunction<String> level =
        i -> decodes ? layout.decoderLevel(i, all) : layout.encoderLevel(i);

    List<Integer> channels = new ArrayList<>();
    for (int i = 0; i < levels; i++) {
      channels.add(
          size(checkpoint, prefix + layout.resBlock(level.apply(i), 0) + ".conv1.weight", 0));
    }
    int blocks = 0;
    while (blocks <= MAX_LAYERS && has(checkpoint, prefix, layout, level.apply(0), blocks)) {
      blocks++;
    }
    String out = prefix + "encoder.conv_out.weight";
    return new VaeConfig(
        encodes ? size(checkpoint, prefix + "encoder.conv_in.weight", 1) : 3,
        decodes ? size(checkpoint, prefix + "decoder.conv_out.weight", 0) : 3,
        channels,
        decodes ? blocks - 1 : blocks,
        decodes
            ? size(checkpoint, prefix + "decoder.conv_in.weight", 1)
            : size(checkpoint, out, 0) / 2,
        normNumGroups,
        sampleSize,
        scalingFactor,
        shiftFactor,
        checkpoint.names().contains(prefix + "quant_conv.weight"),
        checkpoint.names().contains(prefix + "post_quant_conv.weight"),
        checkpoint
            .names()
            .contains(
                prefix + layout.attentionPart(layout.midAttention(coder), "q") + ".weight"));
  }

  /** {@return number of levels} */
  public int levels() {
    return blockOutChannels.size();
  }

  /** {@return channels of a level} */
  public int channels(int level) {
    return blockOutChannels.get(level);
  }

  /** {@return pixels across one latent} */
  public int patchSize() {
    return 1 << (levels() - 1);
  }

  /**
   * {@return what the model that draws works with, of what the encoder gives}
   *
   * @param z [...] float32
   */
  public float[] scaled(float[] z) {
    float[] latents = new float[z.length];
    for (int i = 0; i < z.length; i++) {
      latents[i] = (z[i] - (float) shiftFactor) * (float) scalingFactor;
    }
    return latents;
  }

  /**
   * {@return what the decoder takes, of what the model that draws works with}
   *
   * @param latents [...] float32
   */
  public float[] unscaled(float[] latents) {
    float[] z = new float[latents.length];
    for (int i = 0; i < z.length; i++) {
      z[i] = latents[i] / (float) scalingFactor + (float) shiftFactor;
    }
    return z;
  }

  private static boolean has(
      Checkpoint checkpoint, String prefix, VaeLayout layout, String level, int block) {
    return checkpoint
        .names()
        .contains(prefix + layout.resBlock(level, block) + ".conv1.weight");
  }

  private static int size(Checkpoint checkpoint, String name, int axis) {
    List<Long> shape = checkpoint.spec(name).shape();
    if (shape.size() != 4) {
      throw new CheckpointException(
          "Cannot tell the sizes of the KL coder in " + checkpoint.location() + ": " + name
              + " has the shape " + shape + ", expected that of a convolution");
    }
    return (int) Math.min(shape.get(axis), Integer.MAX_VALUE);
  }

  private static void refuseOthers(JsonMap config, String key, String known) {
    String found = config.stringOr(key, known);
    if (!found.equals(known)) {
      throw new UnsupportedModelException(
          config + ": " + key + " is " + found + "; this library runs " + known);
    }
  }

  private static void refuseOtherBlocks(JsonMap config, String key, String known) {
    if (config.has(key)) {
      for (String found : config.strings(key)) {
        if (!found.equals(known)) {
          throw new UnsupportedModelException(
              config + ": " + key + " has " + found + "; this library runs " + known);
        }
      }
    }
  }

  private static void require(String what, int value, int max) {
    if (value < 1 || value > max) {
      throw new CheckpointException(
          "The KL coder's " + what + " is " + value + "; expected 1 to " + max);
    }
  }
}
