package dev.diptych.core;

/**
 * Sees the numbers that an answer is chosen from, and chooses in the model's place: a sampler of the
 * caller's own, a grammar, or a measurement that leads two models along one answer. Called on the
 * generating thread; what it throws ends the request and reaches the caller of {@code generate}.
 *
 * <p>Temperature, top-k, top-p and the repetition penalty count for nothing then; guidance does. The
 * numbers leave native memory at every token, which takes time. A drawing that is probed is of one
 * picture.
 *
 * <p>As it is, it takes the likeliest of everything and changes no step.
 */
public interface Probe {
  /**
   * Chooses the next word or image code.
   *
   * @param what {@link Modality#TEXT} for a token of the vocabulary, {@link Modality#IMAGE} for a
   *     code of the picture's codebook
   * @param logits [V] float32, guided, -infinity for what may not come next; the probe's to keep
   * @return the index of the one that is taken; of words, one that may come next
   */
  default int choose(Modality what, float[] logits) {
    int best = 0;
    for (int i = 1; i < logits.length; i++) {
      best = logits[i] > logits[best] ? i : best;
    }
    return best;
  }

  /**
   * Hears of a step of denoising.
   *
   * @param step from 0
   * @param said [C * y * x] float32, what the model said of the noise in the scheduler's own terms
   *     (velocity, noise), guided, found from what the step made of it: so with what the scheduler
   *     clips. The probe's to keep
   * @param latents [C * y * x] float32, what the step made of the picture; the probe's to keep
   * @return what the next step begins with, of the same length
   */
  default float[] denoised(int step, float[] said, float[] latents) {
    return latents;
  }

  /**
   * Asks a probe, and checks what goes in and what comes out.
   *
   * @return the index, -1 if the logits are not finite
   * @throws InvalidRequestException if there is no such index, or it may not come next
   */
  static int ask(Probe probe, Modality what, float[] logits) {
    boolean any = false;
    for (float logit : logits) {
      if (Float.isNaN(logit) || logit == Float.POSITIVE_INFINITY) {
        return -1;
      }
      any |= logit != Float.NEGATIVE_INFINITY;
    }
    if (!any) {
      return -1;
    }
    int size = logits.length;
    // A probe may overwrite what is its own.
    float[] own = logits.clone();
    int chosen = probe.choose(what, own);
    if (chosen < 0 || chosen >= size || logits[chosen] == Float.NEGATIVE_INFINITY) {
      throw new InvalidRequestException(
          "The probe chose what may not come next\n  expected an index from 0 to "
              + (size - 1)
              + " of a finite logit\n  found    "
              + chosen);
    }
    return chosen;
  }
}
