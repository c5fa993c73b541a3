package dev.diptych.examples.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.SecureRandom;

/** Writes a file under a temporary name and renames it, so that nobody ever sees half of it. */
final class WholeFile {
  private WholeFile() {}

  /** Writes text as UTF-8. */
  static void write(Path file, String text) {
    Path target = file.toAbsolutePath();
    String unique = Long.toHexString(new SecureRandom().nextLong());
    Path temporary = target.resolveSibling("." + target.getFileName() + "." + unique + ".tmp");
    try {
      try {
        Files.write(
            temporary, text.getBytes(StandardCharsets.UTF_8), StandardOpenOption.CREATE_NEW);
        try {
          Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
        } catch (AtomicMoveNotSupportedException e) {
          Files.move(temporary, target, StandardCopyOption.REPLACE_EXISTING);
        }
      } finally {
        Files.deleteIfExists(temporary);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(
          "Cannot write " + file + "\n  expected a folder that can be written to\n  found    " + e,
          e);
    }
  }
}
