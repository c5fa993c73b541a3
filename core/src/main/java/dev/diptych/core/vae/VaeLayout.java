package dev.diptych.core.vae;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.weights.Checkpoint;
import java.util.Objects;

/**
 * How a checkpoint names the tensors of a KL coder. Levels are counted from the largest picture to
 * the smallest.
 *
 * @param naming whose names they are
 * @param linearAttention whether the attention's matrices are stored as [C, C]; else as 1x1
 *     convolutions, [C, C, 1, 1]
 */
public record VaeLayout(Naming naming, boolean linearAttention) {

  /** Whose names the tensors have. */
  public enum Naming {
    /** diffusers since 0.18: {@code down_blocks.0.resnets.0}, {@code attentions.0.to_q}. */
    DIFFUSERS,

    /** diffusers before: {@code attentions.0.query}. */
    DIFFUSERS_OLD,

    /**
     * Stable Diffusion's and FLUX's own: {@code down.0.block.0}, {@code mid.attn_1.q}; the
     * decoder's levels are counted as the encoder's.
     */
    ORIGINAL
  }

  /** Checks that there are names. */
  public VaeLayout {
    Objects.requireNonNull(naming, "naming");
  }

  /**
   * Tells the layout by the tensors.
   *
   * @param prefix what stands before {@code encoder} or {@code decoder}, its last dot included
   * @throws CheckpointException if neither an encoder nor a decoder of such a coder is there
   */
  public static VaeLayout of(Checkpoint checkpoint, String prefix) {
    for (String coder : new String[] {"decoder", "encoder"}) {
      for (Naming naming : Naming.values()) {
        VaeLayout layout = new VaeLayout(naming, true);
        String query = prefix + layout.attentionPart(layout.midAttention(coder), "q") + ".weight";
        if (checkpoint.names().contains(query)) {
          return new VaeLayout(naming, checkpoint.spec(query).shape().size() == 2);
        }
      }
      // Without attention, the names of blocks alone tell.
      for (Naming naming : new Naming[] {Naming.DIFFUSERS, Naming.ORIGINAL}) {
        VaeLayout layout = new VaeLayout(naming, true);
        if (checkpoint.names().contains(prefix + layout.midBlock(coder, 0) + ".conv1.weight")) {
          return layout;
        }
      }
    }
    throw new CheckpointException(
        "There is no KL coder in " + checkpoint.location() + "\n  expected " + prefix
            + "decoder.mid_block.resnets.0 (diffusers) or " + prefix
            + "decoder.mid.block_1 (Stable Diffusion, FLUX)\n  found    neither");
  }

  /** {@return the name of an encoder level} */
  public String encoderLevel(int level) {
    return "encoder." + (isOriginal() ? "down." : "down_blocks.") + level;
  }

  /**
   * {@return the name of a decoder level}
   *
   * @param levels how many there are; diffusers counts in the order of execution
   */
  public String decoderLevel(int level, int levels) {
    return storedDecoderLevel(isOriginal() ? level : levels - 1 - level);
  }

  /** {@return the name of a decoder level by the number in its name} */
  String storedDecoderLevel(int number) {
    return "decoder." + (isOriginal() ? "up." : "up_blocks.") + number;
  }

  /** {@return the name of a residual block of a level} */
  public String resBlock(String level, int index) {
    return level + (isOriginal() ? ".block." : ".resnets.") + index;
  }

  /** {@return the name of the 1x1 convolution around a residual block that changes the channels} */
  public String shortcut(String resBlock) {
    return resBlock + (isOriginal() ? ".nin_shortcut" : ".conv_shortcut");
  }

  /** {@return the name of the convolution that halves a level} */
  public String downsample(String level) {
    return level + (isOriginal() ? ".downsample.conv" : ".downsamplers.0.conv");
  }

  /** {@return the name of the convolution that follows doubling} */
  public String upsample(String level) {
    return level + (isOriginal() ? ".upsample.conv" : ".upsamplers.0.conv");
  }

  /** {@return the name of a residual block between encoder or decoder and their levels, 0 or 1} */
  public String midBlock(String coder, int index) {
    return coder + (isOriginal() ? ".mid.block_" + (index + 1) : ".mid_block.resnets." + index);
  }

  /** {@return the name of the attention between the two} */
  public String midAttention(String coder) {
    return coder + (isOriginal() ? ".mid.attn_1" : ".mid_block.attentions.0");
  }

  /** {@return the name of the attention's norm} */
  public String attentionNorm(String attention) {
    return attention + (isOriginal() ? ".norm" : ".group_norm");
  }

  /**
   * {@return the name of one of the attention's matrices}
   *
   * @param part q, k, v, or out
   */
  public String attentionPart(String attention, String part) {
    String name =
        switch (naming) {
          case ORIGINAL -> part.equals("out") ? "proj_out" : part;
          case DIFFUSERS -> part.equals("out") ? "to_out.0" : "to_" + part;
          case DIFFUSERS_OLD ->
              switch (part) {
                case "q" -> "query";
                case "k" -> "key";
                case "v" -> "value";
                default -> "proj_attn";
              };
        };
    return attention + "." + name;
  }

  /** {@return the name of the last norm} */
  public String normOut(String coder) {
    return coder + (isOriginal() ? ".norm_out" : ".conv_norm_out");
  }

  private boolean isOriginal() {
    return naming == Naming.ORIGINAL;
  }
}
