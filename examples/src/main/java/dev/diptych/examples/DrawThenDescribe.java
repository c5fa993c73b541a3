package dev.diptych.examples;

import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.Image;
import dev.diptych.core.Output;
import dev.diptych.core.UnifiedModel;
import dev.diptych.models.Diptych;
import dev.diptych.tokenizers.ImageFile;
import java.nio.file.Path;

/**
 * Text in, a picture out; the picture in, text out.
 *
 * <p>Arguments: a PNG file and a checkpoint's folder. Without them the demo model draws {@code
 * picture.png}.
 */
public final class DrawThenDescribe {
  private DrawThenDescribe() {}

  /** Runs the recipe. */
  public static void main(String[] args) {
    Path file = Path.of(args.length > 0 ? args[0] : "picture.png");
    Path folder = args.length > 1 ? Path.of(args[1]) : DemoModel.folder();
    // region recipe
    try (UnifiedModel model = Diptych.load(folder)) {
      String prompt = "a large red circle above a small blue square";
      GenerationResult drawn =
          model.generate(
              GenerationRequest.builder()
                  .text(prompt)
                  .output(Output.IMAGE)
                  .options(GenerationOptions.builder().seed(3).build())
                  .build());
      Image picture = drawn.images().get(0);

      ImageFile.writePng(picture, file, drawn.provenance(prompt, 0));
      System.out.println(model.caption(picture));
    }
    // endregion
  }
}
