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
 * One request, three kinds of model: codes from a head of their own (Janus), codes between words
 * (Chameleon), noise that becomes a picture (Transfusion).
 *
 * <p>Arguments: a prompt and a folder, in which each demo leaves a picture of its name.
 */
public final class ThreeFamilies {
  private ThreeFamilies() {}

  /** Runs the recipe. */
  public static void main(String[] args) {
    String prompt = args.length > 0 ? args[0] : "a large red circle above a small blue square";
    Path folder = Path.of(args.length > 1 ? args[1] : ".");
    // region recipe
    GenerationRequest request =
        GenerationRequest.builder()
            .text(prompt)
            .output(Output.IMAGE)
            .options(GenerationOptions.builder().seed(1).build())
            .build();

    for (Demo demo : Demo.values()) {
      try (UnifiedModel model = Diptych.load(DemoModel.folder(demo))) {
        GenerationResult drawn = model.generate(request);
        Image picture = drawn.images().get(0);

        Path file = folder.resolve(demo + ".png");
        ImageFile.writePng(picture, file, drawn.provenance(prompt, 0));
        System.out.println(file + ": " + model.caption(picture));
      }
    }
    // endregion
  }
}
