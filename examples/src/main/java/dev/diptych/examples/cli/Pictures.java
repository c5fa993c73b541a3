package dev.diptych.examples.cli;

import dev.diptych.core.GenerationResult;
import dev.diptych.core.Image;
import dev.diptych.tokenizers.ImageFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/** Pictures on their way in and out. */
final class Pictures {
  private Pictures() {}

  /** Reads a file, or standard input when the name is a dash. */
  static Image read(Console console, String name) {
    if (!name.equals("-")) {
      return ImageFile.read(Path.of(name));
    }
    try {
      return ImageFile.read(console.in().readAllBytes());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** {@return {@code name.png}, or {@code name-1.png …} for several} */
  static List<Path> targets(Path output, int pictures) {
    if (pictures == 1) {
      return List.of(output);
    }
    List<Path> targets = new ArrayList<>();
    for (int i = 1; i <= pictures; i++) {
      targets.add(sibling(output, "-" + i));
    }
    return targets;
  }

  /** {@return {@code page-1.png …} beside a page} */
  static List<Path> beside(Path page, int pictures) {
    String name = page.getFileName().toString();
    int dot = name.lastIndexOf('.');
    String stem = dot > 0 ? name.substring(0, dot) : name;
    return IntStream.rangeClosed(1, pictures)
        .mapToObj(i -> page.resolveSibling(stem + "-" + i + ".png"))
        .toList();
  }

  /** {@return where the forming picture is shown} */
  static Path preview(Path target) {
    return sibling(target, ".preview");
  }

  private static Path sibling(Path path, String addition) {
    String name = path.getFileName().toString();
    int dot = name.lastIndexOf('.');
    return path.resolveSibling(
        dot > 0 ? name.substring(0, dot) + addition + name.substring(dot) : name + addition);
  }

  /**
   * Refuses a target that cannot be written, before time is spent on drawing it.
   *
   * @throws UncheckedIOException with the reason
   */
  static void requireWritable(Path target) {
    Path folder = target.toAbsolutePath().getParent();
    String found = null;
    if (Files.isDirectory(target)) {
      found = "a folder of that name";
    } else if (folder == null || !Files.isDirectory(folder)) {
      found = "no folder " + folder;
    } else if (!Files.isWritable(folder)) {
      found = "a folder that this user cannot write to: " + folder;
    }
    if (found != null) {
      String message =
          "Cannot write " + target + "\n  expected a file in an existing folder\n  found    " + found;
      throw new UncheckedIOException(message, new IOException(message));
    }
  }

  /** Writes the pictures of a result to as many targets as there are. */
  static void write(String prompt, GenerationResult result, List<Path> targets) {
    List<Image> images = result.images();
    for (int i = 0; i < targets.size(); i++) {
      ImageFile.writePng(images.get(i), targets.get(i), result.provenance(prompt, i));
    }
  }
}
