package dev.diptych.tokenizers;

import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.weights.JsonMap;

/**
 * The convolution filters of {@link PillowResize}, under Pillow's names and with Pillow's formulas
 * (python-pillow/Pillow@4e5f09f53, src/libImaging/Resample.c). Each is stretched when a picture
 * gets smaller, so all of them antialias.
 */
public enum ResizeFilter {
  /** Mean of the covered pixels. */
  BOX(0.5) {
    @Override
    double weight(double x) {
      return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
    }
  },

  /** Triangle of support 1. */
  BILINEAR(1.0) {
    @Override
    double weight(double x) {
      double distance = Math.abs(x);
      return distance < 1.0 ? 1.0 - distance : 0.0;
    }
  },

  /** Sinc under a Hamming window, support 1. */
  HAMMING(1.0) {
    @Override
    double weight(double x) {
      double distance = Math.abs(x);
      if (distance == 0.0) {
        return 1.0;
      }
      if (distance >= 1.0) {
        return 0.0;
      }
      double angle = distance * Math.PI;
      // Pillow writes the window's two constants as float literals.
      return Math.sin(angle) / angle * (0.54f + 0.46f * Math.cos(angle));
    }
  },

  /**
   * Cubic convolution with a = -0.5, support 2. What the vision towers' processors mean by bicubic.
   */
  BICUBIC(2.0) {
    private static final double A = -0.5;

    @Override
    double weight(double x) {
      double distance = Math.abs(x);
      if (distance < 1.0) {
        return ((A + 2.0) * distance - (A + 3.0)) * distance * distance + 1;
      }
      if (distance < 2.0) {
        return (((distance - 5) * distance + 8) * distance - 4) * A;
      }
      return 0.0;
    }
  },

  /** Sinc under a sinc window, support 3. */
  LANCZOS(3.0) {
    @Override
    double weight(double x) {
      return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
    }
  };

  private final double support;

  ResizeFilter(double support) {
    this.support = support;
  }

  /**
   * Reads {@code resample} of a preprocessor_config.json, one of Pillow's numbers.
   *
   * @param orElse what a file without it means
   * @throws UnsupportedModelException if it is 0, which takes the nearest pixel and filters nothing
   */
  public static ResizeFilter read(JsonMap json, ResizeFilter orElse) {
    if (!json.has("resample")) {
      return orElse;
    }
    return switch (json.integer("resample", 0, 5)) {
      case 1 -> LANCZOS;
      case 2 -> BILINEAR;
      case 3 -> BICUBIC;
      case 4 -> BOX;
      case 5 -> HAMMING;
      default ->
          throw new UnsupportedModelException(
              json + ": resample is 0; this library runs 1, 2, 3, 4 and 5");
    };
  }

  /**
   * {@return the distance, in source pixels of an unstretched filter, beyond which the weight is 0}
   */
  double support() {
    return support;
  }

  /** {@return the unnormalised weight at a distance from the centre} */
  abstract double weight(double x);

  private static double sinc(double x) {
    if (x == 0.0) {
      return 1.0;
    }
    double angle = x * Math.PI;
    return Math.sin(angle) / angle;
  }
}
