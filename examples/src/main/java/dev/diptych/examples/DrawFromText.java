package dev.diptych.examples;

import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.Output;
import dev.diptych.core.UnifiedModel;
import dev.diptych.models.Diptych;
import dev.diptych.tokenizers.ImageFile;
import java.nio.file.Path;

/**
 * Draws two pictures of one prompt; the same seed draws them again.
 *
 * <p>Arguments: a prompt, a PNG file and a checkpoint's folder.
 */
public final class DrawFromText {
  private DrawFromText() {}

  /** Runs the recipe. */
  public static void main(String[] args) {
    String prompt = args.length > 0 ? args[0] : "a small green star left of a large blue square";
    String file = args.length > 1 ? args[1] : "drawing.png";
    Path folder = args.length > 2 ? Path.of(args[2]) : DemoModel.folder();
    // region recipe
    try (UnifiedModel model = Diptych.load(folder)) {
      GenerationOptions options = GenerationOptions.builder().pictures(2).seed(7).build();

      GenerationResult result =
          model.generate(
              GenerationRequest.builder()
                  .text(prompt)
                  .output(Output.IMAGE)
                  .options(options)
                  .build());

      for (int i = 0; i < result.images().size(); i++) {
        Path target = Path.of(file.replaceFirst("(\\.\\w+)?$", "-" + (i + 1) + "$1"));
        ImageFile.writePng(result.images().get(i), target, result.provenance(prompt, i));
        System.out.println(target);
      }
    }
    // endregion
  }
}
