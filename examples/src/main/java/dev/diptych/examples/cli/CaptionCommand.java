package dev.diptych.examples.cli;

import dev.diptych.core.UnifiedModel;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** Describes a picture. */
@Command(
    name = "caption",
    description = "Describe a picture in words.",
    mixinStandardHelpOptions = true,
    sortOptions = false)
final class CaptionCommand extends TextCommand {
  @Parameters(
      paramLabel = "PICTURE",
      description = "PNG, JPEG, WebP, GIF or BMP; - is standard input.")
  String picture;

  CaptionCommand(Console console) {
    super(console);
  }

  @Override
  String name() {
    return "caption";
  }

  @Override
  List<String> files() {
    return List.of(picture);
  }

  @Override
  String question(UnifiedModel loaded) {
    return loaded.captionQuestion();
  }
}
