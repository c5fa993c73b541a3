package dev.diptych.core.vq;

/**
 * How a checkpoint names the tensors of its VQ coder, and where its reference normalises. The
 * tensors do not tell {@link #TRANSFORMERS} from {@link #TAMING}: the model's family knows which.
 */
public enum VqLayout {
  /**
   * Hugging Face transformers ({@code JanusVQVAE}). Its {@code encode} compares latents with the
   * codebook as they are, although its {@code decode} normalises the codebook.
   */
  TRANSFORMERS(
      ".down.",
      ".up.",
      ".block.",
      ".mid.block_1",
      ".mid.attn_1",
      ".mid.block_2",
      false,
      false,
      true),

  /** LlamaGen, as deepseek-ai publishes it. */
  LLAMAGEN(
      ".conv_blocks.",
      ".conv_blocks.",
      ".res.",
      ".mid.0",
      ".mid.1",
      ".mid.2",
      false,
      true,
      true),

  /**
   * taming-transformers itself and who kept its names: Chameleon's {@code vqgan.ckpt}
   * (facebookresearch/chameleon@dbbe47f, chameleon/inference/vqgan.py) and transformers' {@code
   * ChameleonVQVAE}. Decoder levels are counted as the encoder's, and nothing is normalised.
   */
  TAMING(
      ".down.",
      ".up.",
      ".block.",
      ".mid.block_1",
      ".mid.attn_1",
      ".mid.block_2",
      true,
      false,
      false);

  private final String down;
  private final String up;
  private final String block;
  private final String midBlock1;
  private final String midAttention;
  private final String midBlock2;
  private final boolean upAscends;
  private final boolean encodesNormalized;
  private final boolean decodesNormalized;

  VqLayout(
      String down,
      String up,
      String block,
      String midBlock1,
      String midAttention,
      String midBlock2,
      boolean upAscends,
      boolean encodesNormalized,
      boolean decodesNormalized) {
    this.down = down;
    this.up = up;
    this.block = block;
    this.midBlock1 = midBlock1;
    this.midAttention = midAttention;
    this.midBlock2 = midBlock2;
    this.upAscends = upAscends;
    this.encodesNormalized = encodesNormalized;
    this.decodesNormalized = decodesNormalized;
  }

  /** {@return the name of an encoder level, the largest picture first} */
  public String encoderLevel(int level) {
    return "encoder" + down + level;
  }

  /**
   * {@return the name of a decoder level}
   *
   * @param level counted from the largest picture, as in the encoder
   * @param levels how many there are; some checkpoints count in the order of execution
   */
  public String decoderLevel(int level, int levels) {
    return "decoder" + up + (upAscends ? level : levels - 1 - level);
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

  /** {@return whether codebook vectors are L2-normalised before they are decoded} */
  public boolean decodesNormalized() {
    return decodesNormalized;
  }
}
