package dev.diptych.examples.cli;

import dev.diptych.core.Capabilities.Route;
import dev.diptych.core.Image;
import dev.diptych.core.Modality;
import dev.diptych.core.Output;
import dev.diptych.core.UnifiedModel;
import dev.diptych.core.UnsupportedRequestException;
import dev.diptych.examples.Demo;
import java.util.EnumSet;
import java.util.List;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Draws a picture anew as an instruction says. */
@Command(
    name = "edit",
    description = "Draw a picture anew as an instruction says.",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    footer = {
      "",
      "Without --model and --demo the Transfusion demo edits pictures of coloured shapes:",
      "  diptych edit picture.png \"make the circle green\""
    })
final class EditCommand extends PictureCommand {
  @Parameters(
      index = "0",
      paramLabel = "PICTURE",
      description = "PNG, JPEG, WebP, GIF or BMP; - is standard input.")
  String file;

  @Parameters(index = "1", paramLabel = "INSTRUCTION", description = "What to change.")
  String instruction;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "FILE",
      defaultValue = "edited.png",
      description = "The PNG to write; - is standard output (default: ${DEFAULT-VALUE}).")
  String output;

  EditCommand(Console console) {
    super(console);
  }

  @Override
  String name() {
    return "edit";
  }

  @Override
  String words() {
    return instruction;
  }

  @Override
  List<Image> given() {
    return List.of(Pictures.read(console, file));
  }

  @Override
  String output() {
    return output;
  }

  @Override
  void chooseDemo() {
    model.prefer(Demo.Skill.EDIT);
    model.require(Demo.Skill.EDIT);
  }

  @Override
  void requireAble(UnifiedModel loaded) {
    if (!loaded.capabilities().supports(EnumSet.allOf(Modality.class), Output.IMAGE)) {
      throw new UnsupportedRequestException(
          loaded.name()
              + " does not edit pictures\n  expected a route from a picture and words to a picture,"
              + " as those of Transfusion and BAGEL\n  found    "
              + loaded.capabilities().routes().stream()
                  .map(Route::toString)
                  .sorted()
                  .collect(Collectors.joining("; "))
              + "\n  remedy   --demo "
              + Demo.that(Demo.Skill.EDIT)
              + ", or --model with the folder of such a checkpoint");
    }
  }
}
