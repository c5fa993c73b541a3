package dev.diptych.core.vq;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.nn.ConvBlocks;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.JsonMap;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;

/**
 * The sizes of a VQ coder of the taming-transformers line, and how its tensors are named. Levels
 * are counted from the largest picture to the smallest; each is half the one before.
 *
 * @param layout how the checkpoint names the tensors
 * @param inChannels colours in
 * @param outChannels colours out, 0 where the checkpoint has an encoder alone
 * @param baseChannels channels of a multiplier of 1
 * @param channelMultiplier channels of each level, in units of {@code baseChannels}
 * @param numResBlocks residual blocks of an encoder level; a decoder level has one more
 * @param attentionLevels levels with an attention block after each residual block
 * @param latentChannels channels between encoder or decoder and the 1x1 convolutions
 * @param embedDim length of a codebook vector
 * @param numEmbeddings codebook vectors
 * @param gridSize rows and columns of codes of one picture; the coder itself runs at any size
 */
public record VqConfig(
    VqLayout layout,
    int inChannels,
    int outChannels,
    int baseChannels,
    List<Integer> channelMultiplier,
    int numResBlocks,
    Set<Integer> attentionLevels,
    int latentChannels,
    int embedDim,
    int numEmbeddings,
    int gridSize) {

  private static final int MAX_CHANNELS = 1 << 16;
  private static final int MAX_EMBEDDINGS = 1 << 24;
  private static final int MAX_LEVELS = 8;
  private static final int MAX_RES_BLOCKS = 16;
  private static final int MAX_GRID = 1 << 10;

  /** A picture of this side has 2^28 pixels; three colours of them still fit into one array. */
  private static final int MAX_IMAGE_SIZE = 1 << 14;

  /**
   * Checks every size.
   *
   * @throws CheckpointException if one is out of range
   */
  public VqConfig {
    Objects.requireNonNull(layout, "layout");
    channelMultiplier = List.copyOf(channelMultiplier);
    attentionLevels = Set.copyOf(attentionLevels);
    require("inChannels", inChannels, MAX_CHANNELS);
    if (outChannels != 0) {
      require("outChannels", outChannels, MAX_CHANNELS);
    }
    require("baseChannels", baseChannels, MAX_CHANNELS);
    require("number of levels in channelMultiplier", channelMultiplier.size(), MAX_LEVELS);
    require("numResBlocks", numResBlocks, MAX_RES_BLOCKS);
    require("latentChannels", latentChannels, MAX_CHANNELS);
    require("embedDim", embedDim, MAX_CHANNELS);
    require("numEmbeddings", numEmbeddings, MAX_EMBEDDINGS);
    require("gridSize", gridSize, MAX_GRID);
    require("picture side", gridSize << (channelMultiplier.size() - 1), MAX_IMAGE_SIZE);
    for (int multiplier : channelMultiplier) {
      require("channelMultiplier", multiplier, MAX_CHANNELS / baseChannels);
      if (baseChannels * multiplier % ConvBlocks.NORM_GROUPS != 0) {
        throw new CheckpointException(
            "A level of the VQ coder has " + baseChannels + " x " + multiplier
                + " channels; expected a multiple of " + ConvBlocks.NORM_GROUPS);
      }
    }
    for (int level : attentionLevels) {
      if (level < 0 || level >= channelMultiplier.size()) {
        throw new CheckpointException(
            "The VQ coder has attention at level " + level + "; expected 0 to "
                + (channelMultiplier.size() - 1));
      }
    }
  }

  /**
   * Reads the sizes off the tensors, for checkpoints whose config.json says nothing of them.
   * Whether every tensor fits is for the binding to say.
   *
   * @param prefix what stands before {@code encoder} and {@code decoder}, its last dot included
   * @param gridSize rows and columns of codes of one picture, which no tensor tells
   * @throws CheckpointException if the tensors are not those of such a coder
   */
  public static VqConfig infer(Checkpoint checkpoint, String prefix, int gridSize) {
    return infer(checkpoint, prefix, gridSize, new Shapes(checkpoint, prefix).layout());
  }

  /**
   * Reads the sizes off the tensors of a coder whose layout the family knows. The decoder may be
   * missing.
   *
   * @param prefix what stands before {@code encoder} and {@code decoder}, its last dot included
   * @param gridSize rows and columns of codes of one picture, which no tensor tells
   * @throws CheckpointException if the tensors are not those of such a coder
   */
  public static VqConfig infer(
      Checkpoint checkpoint, String prefix, int gridSize, VqLayout layout) {
    Shapes shapes = new Shapes(checkpoint, prefix);
    List<Long> in = shapes.of("encoder.conv_in.weight", 4);
    List<Long> codebook = shapes.of("quantize.embedding.weight", 2);
    int baseChannels = size(in.get(0));

    List<Integer> multiplier = new ArrayList<>();
    Set<Integer> attention = new TreeSet<>();
    int levels = shapes.count(i -> layout.resBlock(layout.encoderLevel(i), 0) + ".conv1.weight");
    for (int level = 0; level < levels; level++) {
      String name = layout.encoderLevel(level);
      long channels = shapes.of(layout.resBlock(name, 0) + ".conv1.weight", 4).get(0);
      if (channels % baseChannels != 0) {
        throw shapes.refuse(
            "level " + level + " has " + channels + " channels, no multiple of " + baseChannels);
      }
      multiplier.add(size(channels / baseChannels));
      if (shapes.has(layout.attention(name, 0) + ".q.weight")) {
        attention.add(level);
      }
    }
    return new VqConfig(
        layout,
        size(in.get(1)),
        shapes.hasDecoder() ? size(shapes.of("decoder.conv_out.weight", 4).get(0)) : 0,
        baseChannels,
        multiplier,
        shapes.count(i -> layout.resBlock(layout.encoderLevel(0), i) + ".conv1.weight"),
        attention,
        size(shapes.of("quant_conv.weight", 4).get(1)),
        size(codebook.get(1)),
        size(codebook.get(0)),
        gridSize);
  }

  /**
   * Reads the sizes of a {@link VqLayout#TAMING} coder off its tensors and holds them against
   * {@code vq_config} of transformers' config.json, whose {@code resolution} gives the grid.
   *
   * @param prefix what stands before {@code encoder} and {@code decoder}, its last dot included
   * @throws CheckpointException if tensors and config disagree
   * @throws UnsupportedModelException if the coder is of another kind
   */
  public static VqConfig taming(Checkpoint checkpoint, String prefix, JsonMap vq) {
    return TamingConfig.read(checkpoint, prefix, vq);
  }

  /** {@return whether the checkpoint can draw, too} */
  public boolean hasDecoder() {
    return outChannels != 0;
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

  /** {@return rows and columns of pixels of one picture} */
  public int imageSize() {
    return gridSize * patchSize();
  }

  /** {@return codes of one picture} */
  public int numCodes() {
    return gridSize * gridSize;
  }

  private static int size(long size) {
    return (int) Math.min(size, Integer.MAX_VALUE);
  }

  private static void require(String what, int value, int max) {
    if (value < 1 || value > max) {
      throw new CheckpointException(
          "The VQ coder's " + what + " is " + value + "; expected 1 to " + max);
    }
  }

  /** The tensors below a prefix. */
  private record Shapes(Checkpoint checkpoint, String prefix) {
    /** Names the tensor of an index. */
    private interface Naming {
      String name(int index);
    }

    boolean has(String name) {
      return checkpoint.names().contains(prefix + name);
    }

    boolean hasDecoder() {
      return checkpoint.names().stream().anyMatch(name -> name.startsWith(prefix + "decoder."));
    }

    int count(Naming naming) {
      int n = 0;
      while (has(naming.name(n))) {
        n++;
      }
      return n;
    }

    List<Long> of(String name, int rank) {
      if (!has(name)) {
        throw refuse("there is no tensor " + prefix + name);
      }
      List<Long> shape = checkpoint.spec(prefix + name).shape();
      if (shape.size() != rank || shape.contains(0L)) {
        throw refuse(prefix + name + " has the shape " + shape + ", expected rank " + rank);
      }
      return shape;
    }

    VqLayout layout() {
      for (VqLayout layout : VqLayout.values()) {
        if (has(layout.resBlock(layout.encoderLevel(0), 0) + ".conv1.weight")) {
          return layout;
        }
      }
      throw refuse(
          "there is neither " + prefix + "encoder.down.0.block.0 nor " + prefix
              + "encoder.conv_blocks.0.res.0");
    }

    CheckpointException refuse(String why) {
      return new CheckpointException(
          "Cannot tell the sizes of the VQ coder in " + checkpoint.location() + ": " + why);
    }
  }
}
