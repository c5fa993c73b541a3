package dev.diptych.examples;

import dev.diptych.core.Generation;
import dev.diptych.core.GenerationListener;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.Image;
import dev.diptych.core.Session;
import dev.diptych.core.UnifiedModel;
import dev.diptych.models.Diptych;
import dev.diptych.tokenizers.ImageFile;
import java.nio.file.Path;
import java.time.Duration;

/**
 * Prints an answer word by word, from a generation that could be cancelled meanwhile.
 *
 * <p>Arguments: a picture and a checkpoint's folder.
 */
public final class StreamTokens {
  private StreamTokens() {}

  /** Runs the recipe. */
  public static void main(String[] args) {
    Path folder = args.length > 1 ? Path.of(args[1]) : DemoModel.folder();
    // region recipe
    GenerationListener printer =
        new GenerationListener() {
          @Override
          public void onText(String piece) {
            System.out.print(piece);
            System.out.flush();
          }
        };
    try (UnifiedModel model = Diptych.load(folder);
        Session session = model.newSession()) {
      Image picture =
          args.length > 0 ? ImageFile.read(Path.of(args[0])) : model.draw("a large yellow star");

      Generation generation =
          session.start(
              GenerationRequest.builder()
                  .image(picture)
                  .text(model.captionQuestion())
                  .listener(printer)
                  .deadline(Duration.ofMinutes(5))
                  .build());

      System.out.println("\n" + generation.result().finishReason());
    }
    // endregion
  }
}
