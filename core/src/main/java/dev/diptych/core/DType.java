package dev.diptych.core;

/** The number format of a model's weights, and of its computations. */
public enum DType {
  /**
   * bfloat16 when the checkpoint holds 16-bit weights, this machine multiplies bfloat16 in hardware
   * (AVX512-bf16, AMX, a GPU), and the model is too large for the processor's caches; else float32.
   */
  AUTO,
  /** IEEE single precision. */
  FLOAT32,
  /** The upper half of a float32: half the memory, about 3 decimal digits. */
  BFLOAT16,
  /**
   * The matrices of the language model's layers, and where a family says so of its heads, as 8-bit
   * integers with a scale a row, everything else and all other computations in bfloat16: half of
   * bfloat16's memory, answers nearly the same. CPU only.
   */
  INT8,
  /**
   * As {@link #INT8}, with 4-bit integers and a scale and an offset for every 64 numbers or fewer in
   * all layers but the first; that one, on which all others build, and what is outside of layers
   * keep 8 bits: a little over a quarter of bfloat16's memory, answers slightly worse. CPU only.
   */
  INT4;

  /** {@return bytes of a number that is computed with, not of a quantised weight} */
  public int bytes() {
    return this == FLOAT32 ? 4 : 2;
  }

  /** {@return whether some weights are stored as integers} */
  public boolean quantised() {
    return this == INT8 || this == INT4;
  }
}
