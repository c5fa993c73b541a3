package dev.diptych.core.weights;

import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.Objects;

/** The files beside {@code golden/weights/make.py}. */
final class GoldenFiles {
  private GoldenFiles() {}

  static Path path(String name) {
    try {
      return Path.of(
          Objects.requireNonNull(
                  GoldenFiles.class.getResource("/golden/weights/" + name), name).toURI());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }
}
