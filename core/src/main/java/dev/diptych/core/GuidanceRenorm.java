package dev.diptych.core;

import java.util.Locale;
import java.util.Objects;

/**
 * How guidance is kept from making a prediction longer than the prompt's own: the guided prediction
 * v' is scaled by {@code |v| / |v'|}, at most 1. ByteDance-Seed/BAGEL (modeling/bagel/bagel.py) has
 * it as {@code cfg_renorm_type} and {@code cfg_renorm_min}.
 *
 * @param kind over what the lengths are taken
 * @param minimum least scale, 0 to 1; 1 scales nothing
 */
public record GuidanceRenorm(Kind kind, double minimum) {
  /** Over what the lengths of predictions are taken. */
  public enum Kind {
    /** Nothing is scaled. */
    NONE,
    /** One length of a picture's whole prediction. */
    GLOBAL,
    /** A length for every patch. */
    CHANNEL,
    /** A length for every patch, before guidance by pictures, which is added unscaled. */
    TEXT_CHANNEL;

    /** {@return the name that BAGEL gives it} */
    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** Checks the values. */
  public GuidanceRenorm {
    Objects.requireNonNull(kind, "kind");
    // Written so that NaN is refused.
    if (!(minimum >= 0 && minimum <= 1)) {
      throw new InvalidRequestException(
          "The minimum of guidanceRenorm is " + minimum + "; expected 0 to 1");
    }
  }
}
