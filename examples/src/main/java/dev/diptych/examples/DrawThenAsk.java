package dev.diptych.examples;

import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.Output;
import dev.diptych.core.Session;
import dev.diptych.core.UnifiedModel;
import dev.diptych.models.Diptych;
import dev.diptych.tokenizers.ImageFile;
import java.nio.file.Path;
import java.util.Map;

/**
 * Draws in a conversation, then asks about what was drawn: its codes are in the conversation, so
 * the picture is not encoded and not read again.
 *
 * <p>Arguments: a PNG file and the folder of a checkpoint whose words and pictures are one stream.
 * Without them the Chameleon demo draws {@code drawing.png}.
 */
public final class DrawThenAsk {
  private DrawThenAsk() {}

  /** Runs the recipe. */
  public static void main(String[] args) {
    Path file = Path.of(args.length > 0 ? args[0] : "drawing.png");
    Path folder = args.length > 1 ? Path.of(args[1]) : DemoModel.folder(Demo.CHAMELEON);
    // region recipe
    try (UnifiedModel model = Diptych.load(folder);
        Session session = model.newSession()) {
      var drawn =
          session.generate(
              GenerationRequest.builder()
                  .text("a small green star to the left of a large purple circle")
                  .output(Output.IMAGE)
                  .options(GenerationOptions.builder().seed(1).build())
                  .build());
      ImageFile.writePng(drawn.images().get(0), file, Map.of());

      var answer =
          session.generate(GenerationRequest.builder().text(model.captionQuestion()).build());
      System.out.println(answer.text());
    }
    // endregion
  }
}
