package dev.diptych.examples.cli;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import dev.diptych.core.Capabilities.Route;
import dev.diptych.core.GenerationListener;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.Image;
import dev.diptych.core.Output;
import dev.diptych.core.Part;
import dev.diptych.core.UnifiedModel;
import dev.diptych.core.UnsupportedRequestException;
import dev.diptych.examples.Demo;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Answers in words and pictures, and makes a page of them. */
@Command(
    name = "tell",
    description = "Answer in words and pictures, and make a page of them.",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    footer = {
      "",
      "Without --model and --demo the Chameleon demo tells: stories of a coloured shape, of another",
      "that joins it, of one that leaves."
    })
final class TellCommand implements Callable<Integer> {
  private final Console console;

  @Spec CommandSpec spec;

  @Parameters(paramLabel = "PROMPT", description = "What to tell.")
  String prompt;

  @Option(
      names = {"-i", "--image"},
      paramLabel = "FILE",
      description = "A picture before the prompt, - is standard input; may be given several times.")
  List<String> images = List.of();

  @Option(
      names = {"-o", "--output", "--out"},
      paramLabel = "FILE.html",
      defaultValue = "story.html",
      description =
          "The page to write, its pictures beside it as FILE-1.png …; - is standard output, without"
              + " pictures beside it (default: ${DEFAULT-VALUE}).")
  String output;

  @Option(
      names = {"-n", "--max-pictures"},
      paramLabel = "N",
      description = "Most pictures (default: as many as the model likes and its context holds).")
  Integer maxPictures;

  @Mixin SamplingOptions.TextOptions text;
  @Mixin SamplingOptions.DrawingOptions drawn;
  @Mixin SamplingOptions sampling;
  @Mixin ModelOptions model;
  @Mixin ReportOptions report;

  TellCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    GenerationOptions options =
        sampling.options(
            builder -> {
              text.fill(builder);
              drawn.fill(builder);
              if (maxPictures != null) {
                builder.pictures(maxPictures);
              }
            });
    boolean toStdout = output.equals("-");
    if (toStdout && report.json) {
      throw new ParameterException(spec.commandLine(), "-o - takes no --json");
    }
    Path page = toStdout ? null : Path.of(output);
    if (page != null) {
      Pictures.requireWritable(page);
    }
    model.prefer(Demo.Skill.TELL);
    model.require(Demo.Skill.TELL);
    List<Image> given = images.stream().map(f -> Pictures.read(console, f)).toList();

    GenerationResult result;
    List<Path> files;
    try (Interrupt interrupt = new Interrupt();
        UnifiedModel loaded = model.load();
        Telling telling = new Telling(console, report, Drawing.unit(loaded), page)) {
      requireStories(loaded);
      sampling.require(loaded, Output.INTERLEAVED);
      drawn.require(loaded, Output.INTERLEAVED);
      GenerationRequest.Builder request =
          GenerationRequest.builder()
              .output(Output.INTERLEAVED)
              .options(options)
              .listener(telling)
              .cancellation(interrupt.cancellation());
      given.forEach(request::image);
      request.text(prompt);
      sampling.limit(request);
      result = loaded.generate(request.build());
      files = page == null ? List.of() : write(page, prompt, given, result);
    }
    if (toStdout) {
      // The page says that it is UTF-8, whatever the terminal's charset.
      console.out().writeBytes(
          StoryPage.html(prompt, given, result).getBytes(StandardCharsets.UTF_8));
      console.out().flush();
    } else if (report.json) {
      Report.print(console, json("tell", model, result, files));
      return 0;
    }
    report.note(
        console,
        (toStdout ? "" : page + ", ")
            + "pictures "
            + result.images().size()
            + ", seed "
            + result.seed()
            + ", "
            + result.timings().total().toMillis()
            + " ms");
    return 0;
  }

  /**
   * Refuses a model that cannot, and says which can.
   *
   * @throws UnsupportedRequestException with what the model does instead
   */
  static void requireStories(UnifiedModel loaded) {
    if (!tells(loaded)) {
      throw new UnsupportedRequestException(
          loaded.name()
              + " does not answer in words and pictures\n  expected an interleaved route, as those"
              + " of Anole, and of Chameleon and Lumina-mGPT with a picture decoder\n  found    "
              + loaded.capabilities().routes().stream()
                  .map(Route::toString)
                  .sorted()
                  .collect(Collectors.joining("; "))
              + "\n  remedy   --demo "
              + Demo.that(Demo.Skill.TELL)
              + ", or --model with the folder of such a checkpoint");
    }
  }

  /** {@return whether a model answers in words and pictures} */
  static boolean tells(UnifiedModel loaded) {
    return loaded.capabilities().routes().stream().anyMatch(r -> r.output() == Output.INTERLEAVED);
  }

  /** Writes pictures and page, the page last; returns them in this order. */
  static List<Path> write(Path page, String prompt, List<Image> given, GenerationResult result) {
    List<Path> files = new ArrayList<>(Pictures.beside(page, result.images().size()));
    files.forEach(Pictures::requireWritable);
    Pictures.write(prompt, result, files);
    WholeFile.write(page, StoryPage.html(prompt, given, result));
    files.add(page);
    return files;
  }

  /** {@return the report with the parts in order, a picture by its file} */
  static JsonObject json(
      String command, ModelOptions model, GenerationResult result, List<Path> files) {
    JsonArray parts = new JsonArray();
    int picture = 0;
    for (Part part : result.parts()) {
      JsonObject one = new JsonObject();
      if (part instanceof Part.Text text) {
        one.addProperty("type", "text");
        one.addProperty("text", text.text());
      } else if (part instanceof Part.Picture drawn) {
        one.addProperty("type", "picture");
        one.addProperty("file", files.get(picture++).toString());
        one.addProperty("width", drawn.image().width());
        one.addProperty("height", drawn.image().height());
      }
      parts.add(one);
    }
    JsonObject json = Report.of(command, model, result, files);
    json.add("parts", parts);
    return json;
  }

  /** Prints words as they come and the name of each picture where it stands; a bar for each. */
  static final class Telling implements GenerationListener, AutoCloseable {
    private final Console console;
    private final boolean streamed;
    private final boolean bars;
    private final String unit;
    private final Path page;
    private Progress bar;
    private int pictures;
    private boolean textBegun;
    private boolean lineOpen;

    /**
     * Creates a listener.
     *
     * @param unit of the bars' steps, with a leading space
     * @param page whose pictures they are; null when the page itself goes to standard output
     */
    Telling(Console console, ReportOptions report, String unit, Path page) {
      this.console = console;
      this.streamed = page != null && !report.json;
      this.bars = console.errIsTerminal() && !report.quiet;
      this.unit = unit;
      this.page = page;
    }

    @Override
    public void onText(String piece) {
      String told = textBegun ? piece : piece.stripLeading();
      if (streamed && !told.isEmpty()) {
        PrintStream out = console.out();
        out.print(told);
        out.flush();
        textBegun = true;
        lineOpen = !told.endsWith("\n");
      }
    }

    @Override
    public void onImageProgress(int done, int total) {
      if (bar == null) {
        endLine();
        bar = new Progress(console, bars, "picture " + (pictures + 1), unit);
      }
      bar.to(done, total);
    }

    @Override
    public void onPart(Part part) {
      endBar();
      endLine();
      textBegun = false;
      if (part instanceof Part.Picture) {
        pictures++;
        if (streamed) {
          Path file = Pictures.beside(page, pictures).get(pictures - 1);
          console.out().println("[" + file + "]");
          console.out().flush();
        }
      }
    }

    private void endBar() {
      if (bar != null) {
        bar.close();
        bar = null;
      }
    }

    private void endLine() {
      if (lineOpen) {
        console.out().println();
        console.out().flush();
        lineOpen = false;
      }
    }

    /** Ends what is open, also of an answer that was cut off. */
    @Override
    public void close() {
      endBar();
      endLine();
    }
  }
}
