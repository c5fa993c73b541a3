package dev.diptych.core.vq;

/** How a checkpoint names the tensors of its VQ coder. Both name levels in execution order. */
public enum VqLayout {
  /**
   * Hugging Face transformers ({@code JanusVQVAE}). Its {@code encode} compares latents with the
   * codebook as they are, although its {@code decode} normalises the codebook.
   */
  TRANSFORMERS(".down.", ".up.", ".block.", ".mid.block_1", ".mid.attn_1", ".mid.block_2", false),

  /** LlamaGen, as deepseek-ai publishes it. */
  LLAMAGEN(
      ".conv_blocks.", ".conv_blocks.", ".res.", ".mid.0", ".mid.1", ".mid.2", true);

  private final String down;
  private final String up;
  private final String block;
  private final String midBlock1;
  private final String midAttention;
  private final String midBlock2;
  private final boolean encodesNormalized;

  VqLayout(
      String down,
      String up,
      String block,
      String midBlock1,
      String midAttention,
      String midBlock2,
      boolean encodesNormalized) {
    this.down = down;
    this.up = up;
    this.block = block;
    this.midBlock1 = midBlock1;
    this.midAttention = midAttention;
    this.midBlock2 = midBlock2;
    this.encodesNormalized = encodesNormalized;
  }

  /** {@return the name of an encoder level, the largest picture first} */
  public String encoderLevel(int level) {
    return "encoder" + down + level;
  }

  /** {@return the name of a decoder level, the smallest picture first} */
  public String decoderLevel(int level) {
    return "decoder" + up + level;
  }

  /** {@return the name of a residual block of a level} */
  public String resBlock(String level, int index) {
    return level + block + index;
  }

  /** {@return the name of an attention block of a level} */
  public String attention(String level, int index) {
    return level + ".attn." + index;
  }

  /** {@return the name of the first residual block between encoder or decoder and their levels} */
  public String midBlock1(String coder) {
    return coder + midBlock1;
  }

  /** {@return the name of the attention between the two} */
  public String midAttention(String coder) {
    return coder + midAttention;
  }

  /** {@return the name of the second residual block between the two} */
  public String midBlock2(String coder) {
    return coder + midBlock2;
  }

  /** {@return whether latents and codebook are L2-normalised before they are compared} */
  public boolean encodesNormalized() {
    return encodesNormalized;
  }
}
