package dev.diptych.core.diffusion;

/** In which numbers a reference computes its tables; steps themselves are taken in float64. */
public enum TablePrecision {
  /** diffusers, each operation rounded to float32; the running product in float64. */
  FLOAT32,

  /** openai/guided-diffusion and who took it over (DiT and its relatives). */
  FLOAT64;

  /** {@return the nearest number that the reference could hold} */
  double round(double x) {
    return this == FLOAT32 ? (float) x : x;
  }
}
