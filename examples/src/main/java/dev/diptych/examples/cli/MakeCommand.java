package dev.diptych.examples.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Iterator;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Makes a checkpoint of a published size with random weights, to measure without a download. */
@Command(
    name = "make",
    description = "Make a checkpoint of a published size with random weights.",
    mixinStandardHelpOptions = true)
final class MakeCommand implements Callable<Integer> {
  private final Console console;

  @Spec CommandSpec spec;

  @Option(
      names = "--shape",
      paramLabel = "SHAPE",
      defaultValue = "janus-pro-1b",
      completionCandidates = Shapes.class,
      description = "${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
  String shape;

  @Option(
      names = "--tokenizer",
      paramLabel = "DIR",
      description =
          "Checkpoint whose tokenizer is taken (default: the demo's for a Janus or a Transfusion, a"
              + " made-up one for a Chameleon).")
  Path tokenizer;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "1",
      description = "Key of the weights (default: 1).")
  long seed;

  @Parameters(paramLabel = "DIR", description = "Folder to write.")
  Path folder;

  @Mixin ReportOptions report;

  /** The names, for the help. */
  private static final class Shapes implements Iterable<String> {
    @Override
    public Iterator<String> iterator() {
      return ModelShape.all().keySet().iterator();
    }
  }

  MakeCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() throws IOException {
    ModelShape sizes = ModelShape.all().get(shape);
    if (sizes == null) {
      throw new ParameterException(
          spec.commandLine(), "--shape is " + shape + "; expected " + ModelShape.all().keySet());
    }
    Files.createDirectories(folder);
    report.note(console, shape + ": " + sizes.size());
    sizes.writeFiles(folder, Optional.ofNullable(tokenizer));
    for (Map.Entry<String, Map<String, long[]>> file : sizes.weights().entrySet()) {
      write(folder.resolve(file.getKey()), file.getValue());
    }
    console.out().println(folder);
    return 0;
  }

  private void write(Path target, Map<String, long[]> tensors) throws IOException {
    Path partial = target.resolveSibling(target.getFileName() + ".partial");
    boolean bar = console.errIsTerminal() && !report.quiet;
    Interrupt interrupt = Interrupt.removing(partial);
    try (Progress progress = new Progress(console, bar, "writing", " M numbers")) {
      RandomCheckpoint.write(partial, tensors, seed, progress);
      Files.move(partial, target, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(partial);
      interrupt.close();
    }
  }
}
