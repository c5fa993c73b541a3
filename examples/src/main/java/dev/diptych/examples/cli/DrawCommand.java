package dev.diptych.examples.cli;

import dev.diptych.core.GenerationListener;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.Image;
import dev.diptych.core.Output;
import dev.diptych.core.UnifiedModel;
import dev.diptych.tokenizers.ImageFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Draws pictures from a prompt. */
@Command(
    name = "draw",
    description = "Draw a picture from a prompt.",
    mixinStandardHelpOptions = true,
    sortOptions = false)
final class DrawCommand implements Callable<Integer> {
  private static final Duration PREVIEW_EVERY = Duration.ofMillis(500);

  private final Console console;

  @Spec CommandSpec spec;

  @Parameters(paramLabel = "PROMPT", description = "What to draw.")
  String prompt;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "FILE",
      defaultValue = "picture.png",
      description = "The PNG to write; - is standard output (default: ${DEFAULT-VALUE}).")
  String output;

  @Option(
      names = "--preview",
      description = "Show the forming picture in FILE.preview.png until it is done.")
  boolean preview;

  @Mixin SamplingOptions.PictureOptions picture;
  @Mixin SamplingOptions.DrawingOptions drawn;
  @Mixin SamplingOptions sampling;
  @Mixin ModelOptions model;
  @Mixin ReportOptions report;

  DrawCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    GenerationOptions options =
        sampling.options(
            builder -> {
              picture.fill(builder);
              drawn.fill(builder);
            });
    int pictures = options.pictures().orElse(1);
    boolean toStdout = output.equals("-");
    if (toStdout && (pictures > 1 || report.json || preview)) {
      throw new ParameterException(
          spec.commandLine(), "-o - takes one picture, without --json and --preview");
    }
    List<Path> targets = toStdout ? List.of() : Pictures.targets(Path.of(output), pictures);
    targets.forEach(Pictures::requireWritable);

    GenerationResult result;
    try (Interrupt interrupt = new Interrupt();
        UnifiedModel loaded = model.load();
        Drawing drawing = new Drawing(console, report, targets)) {
      drawn.require(loaded, Output.IMAGE);
      GenerationRequest.Builder request =
          GenerationRequest.builder()
              .text(prompt)
              .output(Output.IMAGE)
              .options(options.orElse(loaded.defaults(Output.IMAGE)))
              .listener(drawing)
              .cancellation(interrupt.cancellation());
      if (preview) {
        request.previewEvery(PREVIEW_EVERY);
      }
      sampling.limit(request);
      result = loaded.generate(request.build());
      Pictures.write(prompt, result, targets);
    }
    tell(result, targets);
    return 0;
  }

  private void tell(GenerationResult result, List<Path> targets) {
    if (output.equals("-")) {
      byte[] png = ImageFile.toPng(result.images().get(0), result.provenance(prompt, 0));
      console.out().writeBytes(png);
      console.out().flush();
    } else if (report.json) {
      Report.print(console, Report.of("draw", model, result, targets));
      return;
    } else {
      targets.forEach(console.out()::println);
    }
    report.note(
        console, "seed " + result.seed() + ", " + result.timings().total().toMillis() + " ms");
  }

  /** The bar and the preview file while a picture forms. */
  static final class Drawing implements GenerationListener, AutoCloseable {
    private final Progress progress;
    private final List<Path> targets;

    Drawing(Console console, ReportOptions report, List<Path> targets) {
      this.progress =
          new Progress(console, console.errIsTerminal() && !report.quiet, "drawing", " tokens");
      this.targets = targets;
    }

    @Override
    public void onImageProgress(int done, int total) {
      progress.to(done, total);
    }

    @Override
    public void onPreview(int index, Image image) {
      ImageFile.writePng(image, Pictures.preview(targets.get(index)), Map.of());
    }

    @Override
    public void close() {
      progress.close();
      for (Path target : targets) {
        try {
          Files.deleteIfExists(Pictures.preview(target));
        } catch (IOException e) {
          throw new UncheckedIOException(e);
        }
      }
    }
  }
}
