package dev.diptych.examples.cli;

import dev.diptych.core.DiptychException;
import dev.diptych.core.GenerationCancelledException;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.Image;
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
      "  /draw PROMPT   draw",
      "  /reset         forget the conversation",
      "  /quit          end"
    })
final class ChatCommand implements Callable<Integer> {
  private final Console console;
  private final List<Image> shown = new ArrayList<>();
  private int drawn;

  @Option(
      names = {"-d", "--drawings"},
      paramLabel = "DIR",
      defaultValue = ".",
      description = "Folder for what is drawn: drawing-1.png … (default: the current one).")
  Path drawings;

  @Mixin SamplingOptions.TextOptions text;
  @Mixin SamplingOptions.PictureOptions picture;
  @Mixin SamplingOptions sampling;
  @Mixin ModelOptions model;
  @Mixin ReportOptions report;

  ChatCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() throws IOException {
    sampling.options(text::fill);
    sampling.options(picture::fill);
    BufferedReader in = new BufferedReader(new InputStreamReader(console.in(), console.charset()));
    int exitCode = 0;
    try (UnifiedModel loaded = model.load()) {
      Session session = loaded.newSession();
      try {
        report.note(console, loaded.name() + "; /image FILE, /draw PROMPT, /reset, /quit");
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
    } else if (line.startsWith("/")) {
      console.err().println("unknown: " + line + "; /image FILE, /draw PROMPT, /reset, /quit");
    } else {
      answer(loaded, session, line);
    }
  }

  private void answer(UnifiedModel loaded, Session session, String line) {
    GenerationOptions options = sampling.options(text::fill).orElse(loaded.defaults(Output.TEXT));
    GenerationRequest.Builder request = GenerationRequest.builder().options(options);
    shown.forEach(request::image);
    request.text(line);
    sampling.limit(request);
    GenerationResult result;
    try (Interrupt interrupt = new Interrupt();
        TextAnswer answer = new TextAnswer(console, report, options.maxTokens().orElse(512))) {
      request.cancellation(interrupt.cancellation()).listener(answer);
      result = session.generate(request.build());
    }
    shown.clear();
    if (report.json) {
      Report.print(console, Report.of("chat", model, result, List.of()));
    }
  }

  private void draw(UnifiedModel loaded, Session session, String prompt) {
    GenerationOptions options =
        sampling.options(picture::fill).orElse(loaded.defaults(Output.IMAGE));
    List<Path> targets =
        Pictures.targets(nextDrawing(), options.pictures().orElse(1));
    targets.forEach(Pictures::requireWritable);
    GenerationResult result;
    try (Interrupt interrupt = new Interrupt();
        DrawCommand.Drawing drawing = new DrawCommand.Drawing(console, report, targets)) {
      GenerationRequest.Builder request =
          GenerationRequest.builder()
              .text(prompt)
              .output(Output.IMAGE)
              .options(options)
              .listener(drawing)
              .cancellation(interrupt.cancellation());
      sampling.limit(request);
      result = session.generate(request.build());
      Pictures.write(prompt, result, targets);
    }
    if (report.json) {
      Report.print(console, Report.of("chat", model, result, targets));
    } else {
      targets.forEach(console.out()::println);
      console.out().flush();
    }
  }

  /** A name that is free: a conversation never overwrites a picture. */
  private Path nextDrawing() {
    Path target;
    do {
      target = drawings.resolve("drawing-" + ++drawn + ".png");
    } while (Files.exists(target)
        || Files.exists(Pictures.targets(target, 2).get(0)));
    return target;
  }
}
