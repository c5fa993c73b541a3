package dev.diptych.examples.cli;

import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.Image;
import dev.diptych.core.Output;
import dev.diptych.core.UnifiedModel;
import dev.diptych.tokenizers.ImageFile;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** What the commands have in common that answer with pictures. */
abstract class PictureCommand implements Callable<Integer> {
  private static final Duration PREVIEW_EVERY = Duration.ofMillis(500);

  /** The streams of this run. */
  final Console console;

  @Spec CommandSpec spec;

  @Option(
      names = "--preview",
      description = "Show the forming picture in FILE.preview.png until it is done.")
  boolean preview;

  @Mixin SamplingOptions.PictureOptions picture;
  @Mixin SamplingOptions.DrawingOptions drawn;
  @Mixin SamplingOptions sampling;
  @Mixin ModelOptions model;
  @Mixin ReportOptions report;

  PictureCommand(Console console) {
    this.console = console;
  }

  /** {@return the command's name in the report} */
  abstract String name();

  /** {@return the words of the request} */
  abstract String words();

  /** {@return the pictures of the request} */
  abstract List<Image> given();

  /** {@return the file to write; a dash is standard output} */
  abstract String output();

  /** Chooses the demo, and refuses one that was not taught this. */
  abstract void chooseDemo();

  /** Refuses a model that cannot do this, and says which can. */
  abstract void requireAble(UnifiedModel loaded);

  @Override
  public Integer call() {
    GenerationOptions options =
        sampling.options(
            builder -> {
              picture.fill(builder);
              drawn.fill(builder);
            });
    int pictures = options.pictures().orElse(1);
    boolean toStdout = output().equals("-");
    if (toStdout && (pictures > 1 || report.json || preview)) {
      throw new ParameterException(
          spec.commandLine(), "-o - takes one picture, without --json and --preview");
    }
    List<Path> targets = toStdout ? List.of() : Pictures.targets(Path.of(output()), pictures);
    targets.forEach(Pictures::requireWritable);
    chooseDemo();
    List<Image> given = given();

    GenerationResult result;
    try (Interrupt interrupt = new Interrupt();
        UnifiedModel loaded = model.load();
        Drawing drawing = new Drawing(console, report, Drawing.unit(loaded), targets)) {
      requireAble(loaded);
      sampling.require(loaded, Output.IMAGE);
      drawn.require(loaded, Output.IMAGE);
      GenerationRequest.Builder request =
          GenerationRequest.builder()
              .output(Output.IMAGE)
              .options(options)
              .listener(drawing)
              .cancellation(interrupt.cancellation());
      given.forEach(request::image);
      request.text(words());
      if (preview) {
        request.previewEvery(PREVIEW_EVERY);
      }
      sampling.limit(request);
      result = loaded.generate(request.build());
      Pictures.write(words(), result, targets);
    }
    tell(result, targets);
    return 0;
  }

  private void tell(GenerationResult result, List<Path> targets) {
    if (output().equals("-")) {
      byte[] png = ImageFile.toPng(result.images().get(0), result.provenance(words(), 0));
      console.out().writeBytes(png);
      console.out().flush();
    } else if (report.json) {
      Report.print(console, Report.of(name(), model, result, targets));
      return;
    } else {
      targets.forEach(console.out()::println);
    }
    report.note(
        console, "seed " + result.seed() + ", " + result.timings().total().toMillis() + " ms");
  }
}
