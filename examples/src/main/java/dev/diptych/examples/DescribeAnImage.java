package dev.diptych.examples;

import dev.diptych.core.Image;
import dev.diptych.core.UnifiedModel;
import dev.diptych.models.Diptych;
import dev.diptych.tokenizers.ImageFile;
import java.nio.file.Path;

/**
 * Describes a picture and answers a question about it.
 *
 * <p>Arguments: a picture and a checkpoint's folder. Without them the demo model looks at what it
 * has drawn itself.
 */
public final class DescribeAnImage {
  private DescribeAnImage() {}

  /** Runs the recipe. */
  public static void main(String[] args) {
    Path folder = args.length > 1 ? Path.of(args[1]) : DemoModel.folder();
    // region recipe
    try (UnifiedModel model = Diptych.load(folder)) {
      Image picture =
          args.length > 0
              ? ImageFile.read(Path.of(args[0]))
              : model.draw("a large red circle above a small blue square");

      System.out.println(model.caption(picture));
      System.out.println(model.ask(picture, "What is in the picture?"));
    }
    // endregion
  }
}
