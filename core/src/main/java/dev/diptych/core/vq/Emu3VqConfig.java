package dev.diptych.core.vq;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.nn.ConvBlocks;
import dev.diptych.core.weights.JsonMap;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/**
 * The sizes of Emu3's picture and video coder: {@code vq_config} of a HF-native config.json, keys
 * and defaults of transformers 5.18 {@code Emu3VQVAEConfig}. Levels are counted from the largest
 * picture to the smallest; each is half the one before.
 *
 * @param codebookSize codebook vectors
 * @param embedDim length of a codebook vector
 * @param latentChannels channels between encoder or decoder and the codebook
 * @param inChannels colours in
 * @param outChannels colours out
 * @param temporalDownsampleFactor frames of one code, a power of 2; a still picture is repeated
 * @param baseChannels channels of a multiplier of 1
 * @param channelMultiplier channels of each level, in units of {@code baseChannels}
 * @param numResBlocks residual blocks of an encoder level; a decoder level has one more
 * @param attnResolutions levels (not sizes) with an attention block after each residual block
 * @param hiddenSize channels of every attention block
 * @param numAttentionHeads heads of every attention block
 */
public record Emu3VqConfig(
    int codebookSize,
    int embedDim,
    int latentChannels,
    int inChannels,
    int outChannels,
    int temporalDownsampleFactor,
    int baseChannels,
    List<Integer> channelMultiplier,
    int numResBlocks,
    Set<Integer> attnResolutions,
    int hiddenSize,
    int numAttentionHeads) {

  private static final int MAX_CHANNELS = 1 << 16;

  /** Copies the collections. */
  public Emu3VqConfig {
    channelMultiplier = List.copyOf(channelMultiplier);
    attnResolutions = Set.copyOf(attnResolutions);
  }

  /**
   * Reads {@code vq_config}.
   *
   * @throws CheckpointException if sizes are out of range or do not go together
   * @throws UnsupportedModelException if the coder is of another kind
   */
  public static Emu3VqConfig read(JsonMap vq) {
    if (vq.boolOr("double_latent", false)) {
      throw new UnsupportedModelException(
          vq + ": double_latent is true; this library runs coders with one latent per position");
    }
    Set<Integer> attention = new TreeSet<>();
    for (long level : integers(vq, "attn_resolutions", List.of(3L), 0)) {
      attention.add((int) level);
    }
    Emu3VqConfig config =
        new Emu3VqConfig(
            vq.integerOr("codebook_size", 32768, 1, 1 << 24),
            vq.integerOr("embed_dim", 4, 1, MAX_CHANNELS),
            vq.integerOr("latent_channels", 4, 1, MAX_CHANNELS),
            vq.integerOr("in_channels", 3, 1, MAX_CHANNELS),
            vq.integerOr("out_channels", 3, 1, MAX_CHANNELS),
            vq.integerOr("temporal_downsample_factor", 4, 1, 64),
            vq.integerOr("base_channels", 256, 1, MAX_CHANNELS),
            integers(vq, "channel_multiplier", List.of(1L, 2L, 2L, 4L), 1).stream()
                .map(Math::toIntExact)
                .toList(),
            vq.integerOr("num_res_blocks", 2, 1, 16),
            attention,
            vq.integerOr("hidden_size", 1024, 1, MAX_CHANNELS),
            vq.integerOr("num_attention_heads", 1, 1, MAX_CHANNELS));
    config.check(vq);
    return config;
  }

  private static List<Long> integers(JsonMap vq, String key, List<Long> orElse, long least) {
    return vq.has(key) ? vq.integers(key, least, MAX_CHANNELS) : orElse;
  }

  private void check(JsonMap vq) {
    if (Integer.bitCount(temporalDownsampleFactor) != 1) {
      throw vq.refuse("temporal_downsample_factor", "a power of 2");
    }
    if (channelMultiplier.isEmpty() || levels() > 8) {
      throw vq.refuse("channel_multiplier", "1 to 8 levels");
    }
    for (int multiplier : channelMultiplier) {
      long channels = (long) baseChannels * multiplier;
      if (channels > MAX_CHANNELS || channels % ConvBlocks.NORM_GROUPS != 0) {
        throw vq.refuse(
            "channel_multiplier",
            "times base_channels, " + baseChannels + ", multiples of " + ConvBlocks.NORM_GROUPS
                + " up to " + MAX_CHANNELS);
      }
    }
    if (baseChannels % ConvBlocks.NORM_GROUPS != 0) {
      throw vq.refuse("base_channels", "a multiple of " + ConvBlocks.NORM_GROUPS);
    }
    if (latentChannels != embedDim) {
      // The decoder sends both through the same convolutions in time.
      throw vq.refuse("latent_channels", "embed_dim, " + embedDim);
    }
    if (hiddenSize != channels(levels() - 1)) {
      throw vq.refuse("hidden_size", channels(levels() - 1) + ", the channels of the last level");
    }
    for (int level : attnResolutions) {
      if (level < levels() && channels(level) != hiddenSize) {
        throw vq.refuse(
            "attn_resolutions", "levels of " + hiddenSize + " channels, the hidden_size");
      }
    }
    if (hiddenSize % numAttentionHeads != 0) {
      throw vq.refuse("num_attention_heads", "a divisor of hidden_size, " + hiddenSize);
    }
  }

  /** {@return number of levels} */
  public int levels() {
    return channelMultiplier.size();
  }

  /** {@return channels of a level} */
  public int channels(int level) {
    return baseChannels * channelMultiplier.get(level);
  }

  /** {@return pixels across one code} */
  public int patchSize() {
    return 1 << (levels() - 1);
  }

  /** {@return how often the coder halves or doubles the number of frames} */
  public int temporalLevels() {
    return Integer.numberOfTrailingZeros(temporalDownsampleFactor);
  }
}
