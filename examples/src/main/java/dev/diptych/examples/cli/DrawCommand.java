package dev.diptych.examples.cli;

import dev.diptych.core.Image;
import dev.diptych.core.UnifiedModel;
import dev.diptych.examples.Demo;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Draws pictures from a prompt. */
@Command(
    name = "draw",
    description = "Draw a picture from a prompt.",
    mixinStandardHelpOptions = true,
    sortOptions = false)
final class DrawCommand extends PictureCommand {
  @Parameters(paramLabel = "PROMPT", description = "What to draw.")
  String prompt;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "FILE",
      defaultValue = "picture.png",
      description = "The PNG to write; - is standard output (default: ${DEFAULT-VALUE}).")
  String output;

  DrawCommand(Console console) {
    super(console);
  }

  @Override
  String name() {
    return "draw";
  }

  @Override
  String words() {
    return prompt;
  }

  @Override
  List<Image> given() {
    return List.of();
  }

  @Override
  String output() {
    return output;
  }

  @Override
  void chooseDemo() {
    model.require(Demo.Skill.DRAW);
  }

  @Override
  void requireAble(UnifiedModel loaded) {
    // A model that does not draw says so itself.
  }
}
