package dev.diptych.examples;

import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.Output;
import dev.diptych.core.Part;
import dev.diptych.core.UnifiedModel;
import dev.diptych.models.Diptych;
import dev.diptych.tokenizers.ImageFile;
import java.nio.file.Path;

/**
 * One answer in words and pictures, in the order that the model chose.
 *
 * <p>Arguments: the first part of the pictures' names and the folder of a checkpoint that draws
 * between its words. Without them the Chameleon demo draws {@code story-1.png} and so on.
 */
public final class TellAStory {
  private TellAStory() {}

  /** Runs the recipe. */
  public static void main(String[] args) {
    String name = args.length > 0 ? args[0] : "story";
    Path folder = args.length > 1 ? Path.of(args[1]) : DemoModel.folder(Demo.CHAMELEON);
    // region recipe
    try (UnifiedModel model = Diptych.load(folder)) {
      String prompt = "a large red circle, then a small blue square joins it below";
      GenerationResult story =
          model.generate(
              GenerationRequest.builder()
                  .text(prompt)
                  .output(Output.INTERLEAVED)
                  .options(GenerationOptions.builder().seed(1).build())
                  .build());

      int pictures = 0;
      for (Part part : story.parts()) {
        if (part instanceof Part.Text words) {
          System.out.println(words.text());
        } else if (part instanceof Part.Picture drawn) {
          Path file = Path.of(name + "-" + (pictures + 1) + ".png");
          ImageFile.writePng(drawn.image(), file, story.provenance(prompt, pictures++));
          System.out.println(file);
        }
      }
    }
    // endregion
  }
}
