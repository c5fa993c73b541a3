package dev.diptych.examples.cli;

import dev.diptych.core.GenerationListener;
import dev.diptych.core.Image;
import dev.diptych.core.Output;
import dev.diptych.core.UnifiedModel;
import dev.diptych.tokenizers.ImageFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** The bar and the preview file while a picture forms. */
final class Drawing implements GenerationListener, AutoCloseable {
  private final Progress progress;
  private final List<Path> targets;

  /**
   * Creates a listener.
   *
   * @param unit of the bar's steps, with a leading space
   * @param targets the files of the pictures, in their order
   */
  Drawing(Console console, ReportOptions report, String unit, List<Path> targets) {
    this.progress =
        new Progress(console, console.errIsTerminal() && !report.quiet, "drawing", unit);
    this.targets = targets;
  }

  /** {@return what pictures of a model are made of: steps of denoising, or tokens} */
  static String unit(UnifiedModel loaded) {
    return loaded.defaults(Output.IMAGE).inferenceSteps().isPresent() ? " steps" : " tokens";
  }

  @Override
  public void onImageProgress(int done, int total) {
    progress.to(done, total);
  }

  @Override
  public void onPreview(int index, Image image) {
    ImageFile.writePng(image, Pictures.preview(targets.get(index)), Map.of());
  }

  @Override
  public void close() {
    progress.close();
    for (Path target : targets) {
      try {
        Files.deleteIfExists(Pictures.preview(target));
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }
}
