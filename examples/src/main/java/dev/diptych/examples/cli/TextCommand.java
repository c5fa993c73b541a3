package dev.diptych.examples.cli;

import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.Image;
import dev.diptych.core.Output;
import dev.diptych.core.UnifiedModel;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Mixin;

/** What the commands have in common that read pictures and answer in words. */
abstract class TextCommand implements Callable<Integer> {
  private final Console console;

  @Mixin SamplingOptions.TextOptions text;
  @Mixin SamplingOptions sampling;
  @Mixin ModelOptions model;
  @Mixin ReportOptions report;

  TextCommand(Console console) {
    this.console = console;
  }

  /** {@return the command's name in the report} */
  abstract String name();

  /** {@return the files to look at} */
  abstract List<String> files();

  /** {@return what to ask} */
  abstract String question(UnifiedModel loaded);

  @Override
  public Integer call() {
    GenerationOptions options = sampling.options(text::fill);
    List<Image> images = files().stream().map(f -> Pictures.read(console, f)).toList();
    GenerationResult result;
    try (Interrupt interrupt = new Interrupt();
        UnifiedModel loaded = model.load()) {
      sampling.require(loaded, Output.TEXT);
      GenerationOptions filled = options.orElse(loaded.defaults(Output.TEXT));
      GenerationRequest.Builder request =
          GenerationRequest.builder().options(filled).cancellation(interrupt.cancellation());
      images.forEach(request::image);
      request.text(question(loaded));
      sampling.limit(request);
      try (TextAnswer answer = new TextAnswer(console, report, filled.maxTokens().orElse(512))) {
        result = loaded.generate(request.listener(answer).build());
      }
    }
    if (report.json) {
      Report.print(console, Report.of(name(), model, result, List.of()));
    }
    return 0;
  }
}
