package dev.diptych.core.diffusion;

import dev.diptych.core.UnsupportedModelException;
import java.util.Arrays;

/** What a model says about a noisy picture, by the names of diffusers' {@code prediction_type}. */
public enum PredictionType {
  /** The noise in it. */
  EPSILON("epsilon"),

  /** The picture without noise. */
  SAMPLE("sample"),

  /** {@code sqrt(a) noise - sqrt(1 - a) picture}. */
  V_PREDICTION("v_prediction");

  private final String key;

  PredictionType(String key) {
    this.key = key;
  }

  /** {@return the type of a scheduler_config.json} */
  static PredictionType of(String key) {
    return Arrays.stream(values())
        .filter(type -> type.key.equals(key))
        .findFirst()
        .orElseThrow(
            () ->
                new UnsupportedModelException(
                    "prediction_type is " + key + "; this library knows epsilon, sample and"
                        + " v_prediction"));
  }
}
