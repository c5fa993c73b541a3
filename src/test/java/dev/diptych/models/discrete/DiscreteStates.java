package dev.diptych.models.discrete;

/** Lets the tests of families see what a transformer computes inside. */
public final class DiscreteStates {
  private DiscreteStates() {}

  /** {@return embeddings, each layer, after the final norm, [L + 2, 1, T, D]} */
  public static float[] hiddenStates(DiscreteTransformer transformer, int[] ids) {
    return transformer.hiddenStates(ids);
  }

  /** {@return the logits of all positions, [1, T, V]} */
  public static float[] allLogits(DiscreteTransformer transformer, int[] ids) {
    return transformer.allLogits(ids);
  }
}
