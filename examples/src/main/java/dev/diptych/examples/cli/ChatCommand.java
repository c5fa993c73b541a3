package dev.diptych.examples.cli;

import dev.diptych.core.DiptychException;
import dev.diptych.core.GenerationCancelledException;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.Image;
import dev.diptych.core.Modality;
import dev.diptych.core.Output;
import dev.diptych.core.Session;
import dev.diptych.core.UnifiedModel;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** A conversation, typed or piped. */
@Command(
    name = "chat",
    description = "Talk with a model about pictures, and let it draw.",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    footer = {
      "",
      "Lines are said to the model, except:",
      "  /image FILE    show it a picture with the next line",
      "  /draw PROMPT   draw; most models have seen what they drew and can be asked about it, Janus",
      "                 and JanusFlow go on as if they had drawn nothing; after /image, a model that",
      "                 edits changes that picture",
      "  /tell PROMPT   answer in words and pictures, where the model can, and make a page of it",
      "  /reset         forget the conversation",
      "  /quit          end"
    })
final class ChatCommand implements Callable<Integer> {
  private static final String COMMANDS = "/image FILE, /draw PROMPT, /reset, /quit";
  private static final String COMMANDS_OF_TELLERS =
      "/image FILE, /draw PROMPT, /tell PROMPT, /reset, /quit";

  private final Console console;
  private final List<Image> shown = new ArrayList<>();

  @Option(
      names = {"-d", "--drawings"},
      paramLabel = "DIR",
      defaultValue = ".",
      description =
          "Folder for what is drawn and told: drawing-1.png, story-1.html … (default: the current"
              + " one).")
  Path drawings;

  @Mixin SamplingOptions.TextOptions text;
  @Mixin SamplingOptions.PictureOptions picture;
  @Mixin SamplingOptions.DrawingOptions drawn;
  @Mixin SamplingOptions sampling;
  @Mixin ModelOptions model;
  @Mixin ReportOptions report;

  private String commands = COMMANDS;

  ChatCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() throws IOException {
    options(Output.INTERLEAVED, true);
    BufferedReader in = new BufferedReader(new InputStreamReader(console.in(), console.charset()));
    int exitCode = 0;
    try (UnifiedModel loaded = model.load()) {
      Session session = loaded.newSession();
      try {
        commands = TellCommand.tells(loaded) ? COMMANDS_OF_TELLERS : COMMANDS;
        report.note(console, loaded.name() + "; " + commands);
        for (String line = ask(in); line != null && !line.equals("/quit"); line = ask(in)) {
          try {
            if (line.equals("/reset")) {
              session.close();
              session = loaded.newSession();
              shown.clear();
            } else if (!line.isEmpty()) {
              turn(loaded, session, line);
            }
          } catch (GenerationCancelledException e) {
            throw e;
          } catch (DiptychException | UncheckedIOException | InvalidPathException e) {
            console.err().println("diptych: " + Failures.message(e));
            exitCode = console.inIsTerminal() ? 0 : 1;
          }
        }
      } finally {
        session.close();
      }
    }
    return exitCode;
  }

  private String ask(BufferedReader in) throws IOException {
    if (console.inIsTerminal()) {
      console.err().print("> ");
      console.err().flush();
    }
    String line = in.readLine();
    return line == null ? null : line.strip();
  }

  private void turn(UnifiedModel loaded, Session session, String line) {
    if (line.startsWith("/image ")) {
      shown.add(Pictures.read(console, line.substring(7).strip()));
    } else if (line.startsWith("/draw ")) {
      draw(loaded, session, line.substring(6).strip());
    } else if (line.startsWith("/tell ")) {
      tell(loaded, session, line.substring(6).strip());
    } else if (line.startsWith("/")) {
      console.err().println("unknown: " + line + "; " + commands);
    } else {
      answer(loaded, session, line);
    }
  }

  /** What was chosen on the command line and concerns this output. */
  private GenerationOptions options(UnifiedModel loaded, Output output) {
    return options(output, sampling.samples(loaded, output));
  }

  private GenerationOptions options(Output output, boolean samples) {
    return sampling.options(
        samples,
        builder -> {
          if (output != Output.IMAGE) {
            text.fill(builder);
          }
          if (output != Output.TEXT) {
            picture.fill(builder);
            drawn.fill(builder);
          }
        });
  }

  private GenerationRequest.Builder request(
      UnifiedModel loaded, Output output, List<Image> images, String words) {
    sampling.require(loaded, output);
    if (output != Output.TEXT) {
      drawn.require(loaded, output);
    }
    GenerationRequest.Builder request =
        GenerationRequest.builder().output(output).options(options(loaded, output));
    images.forEach(request::image);
    sampling.limit(request);
    return request.text(words);
  }

  private void answer(UnifiedModel loaded, Session session, String line) {
    GenerationRequest.Builder request = request(loaded, Output.TEXT, shown, line);
    int most = options(loaded, Output.TEXT).orElse(loaded.defaults(Output.TEXT)).maxTokens().orElse(512);
    GenerationResult result;
    try (Interrupt interrupt = new Interrupt();
        TextAnswer answer = new TextAnswer(console, report, most)) {
      request.cancellation(interrupt.cancellation()).listener(answer);
      result = session.generate(request.build());
    }
    shown.clear();
    if (report.json) {
      Report.print(console, Report.of("chat", model, result, List.of()));
    }
  }

  private void draw(UnifiedModel loaded, Session session, String prompt) {
    // A model that draws from words alone sees the pictures with the next line.
    boolean looks =
        loaded.capabilities().supports(EnumSet.allOf(Modality.class), Output.IMAGE);
    GenerationRequest.Builder request =
        request(loaded, Output.IMAGE, looks ? shown : List.of(), prompt);
    int pictures =
        options(loaded, Output.IMAGE).orElse(loaded.defaults(Output.IMAGE)).pictures().orElse(1);
    List<Path> targets = Pictures.targets(free("drawing", ".png"), pictures);
    targets.forEach(Pictures::requireWritable);
    GenerationResult result;
    try (Interrupt interrupt = new Interrupt();
        Drawing drawing = new Drawing(console, report, Drawing.unit(loaded), targets)) {
      request.cancellation(interrupt.cancellation()).listener(drawing);
      result = session.generate(request.build());
      Pictures.write(prompt, result, targets);
    }
    if (looks) {
      shown.clear();
    }
    if (report.json) {
      Report.print(console, Report.of("chat", model, result, targets));
    } else {
      targets.forEach(console.out()::println);
      console.out().flush();
    }
  }

  private void tell(UnifiedModel loaded, Session session, String prompt) {
    TellCommand.requireStories(loaded);
    GenerationRequest.Builder request = request(loaded, Output.INTERLEAVED, shown, prompt);
    Path page = free("story", ".html");
    Pictures.requireWritable(page);
    GenerationResult result;
    List<Path> files;
    try (Interrupt interrupt = new Interrupt();
        TellCommand.Telling telling = new TellCommand.Telling(console, report, Drawing.unit(loaded), page)) {
      request.cancellation(interrupt.cancellation()).listener(telling);
      result = session.generate(request.build());
      files = TellCommand.write(page, prompt, shown, result);
    }
    shown.clear();
    if (report.json) {
      Report.print(console, TellCommand.json("chat", model, result, files));
    } else {
      console.out().println(page);
      console.out().flush();
    }
  }

  /** A name that is free, and so are its pictures': a conversation never overwrites anything. */
  private Path free(String name, String suffix) {
    Path target;
    int number = 0;
    do {
      target = drawings.resolve(name + "-" + ++number + suffix);
    } while (Files.exists(target) || Files.exists(Pictures.beside(target, 1).get(0)));
    return target;
  }
}
