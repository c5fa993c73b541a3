package dev.diptych.examples.cli;

import dev.diptych.core.UnifiedModel;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** Answers a question about pictures. */
@Command(
    name = "ask",
    description = "Answer a question about one or more pictures.",
    mixinStandardHelpOptions = true,
    sortOptions = false)
final class AskCommand extends TextCommand {
  @Parameters(
      arity = "2..*",
      paramLabel = "PICTURE… QUESTION",
      hideParamSyntax = true,
      description = "Pictures in the order of the conversation, then the question.")
  List<String> parts;

  AskCommand(Console console) {
    super(console);
  }

  @Override
  String name() {
    return "ask";
  }

  @Override
  List<String> files() {
    return parts.subList(0, parts.size() - 1);
  }

  @Override
  String question(UnifiedModel loaded) {
    return parts.get(parts.size() - 1);
  }
}
