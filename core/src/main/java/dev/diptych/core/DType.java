package dev.diptych.core;

/** The number format that a model computes in. */
public enum DType {
  /**
   * bfloat16 when the checkpoint holds 16-bit weights, this machine multiplies bfloat16 in hardware
   * (AVX512-bf16, AMX, a GPU), and the model is too large for the processor's caches; else float32.
   */
  AUTO,
  /** IEEE single precision. */
  FLOAT32,
  /** The upper half of a float32: half the memory, about 3 decimal digits. */
  BFLOAT16
}
