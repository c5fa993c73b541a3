package dev.diptych.examples.cli;

import dev.diptych.core.Modality;
import dev.diptych.core.Probe;
import java.util.ArrayList;
import java.util.List;

/**
 * An answer as one model gave it: what it chose with the numbers behind every choice, and the steps
 * of its denoising. Another model is led along it, so that every number of the other's stands beside
 * one of the first's behind the very same words, codes and latents.
 */
final class Trace {
  private final List<Choice> choices = new ArrayList<>();
  private final List<Step> steps = new ArrayList<>();
  private boolean cut;

  /** A choice among words or codes. */
  private record Choice(Modality what, float[] logits, int chosen) {}

  /** A step of denoising. */
  private record Step(float[] said, float[] latents) {}

  /** Ends an answer of which enough is known. */
  static final class Enough extends RuntimeException {
    private static final long serialVersionUID = 1;

    Enough() {
      super("Enough of this answer is known", null, false, false);
    }
  }

  /**
   * {@return a probe that takes the likeliest of everything and keeps what it saw}
   *
   * @param most codes or steps, after which it throws {@link Enough}; 0 for all of them
   */
  Probe recorder(int most) {
    return new Probe() {
      @Override
      public int choose(Modality what, float[] logits) {
        int chosen = Probe.super.choose(what, logits);
        choices.add(new Choice(what, logits, chosen));
        if (what == Modality.IMAGE) {
          stopAt(most, choices.size());
        }
        return chosen;
      }

      @Override
      public float[] denoised(int step, float[] said, float[] latents) {
        steps.add(new Step(said, latents));
        stopAt(most, steps.size());
        return latents;
      }
    };
  }

  private void stopAt(int most, int known) {
    if (most > 0 && known >= most) {
      cut = true;
      throw new Enough();
    }
  }

  /** {@return a probe that chooses what was chosen, and tells how far the numbers are apart} */
  Probe follower(Divergence divergence) {
    return new Probe() {
      private int choice;

      @Override
      public int choose(Modality what, float[] logits) {
        Choice first = choices.get(choice++);
        if (first.what != what) {
          throw new IllegalStateException("The two answers differ in form: " + first.what);
        }
        divergence.add(what, first.logits, logits);
        stopBehind(choice == choices.size());
        return first.chosen;
      }

      @Override
      public float[] denoised(int step, float[] said, float[] latents) {
        Step first = steps.get(step);
        divergence.add(first.said, said);
        stopBehind(step + 1 == steps.size());
        return first.latents;
      }
    };
  }

  private void stopBehind(boolean last) {
    if (last && cut) {
      throw new Enough();
    }
  }
}
