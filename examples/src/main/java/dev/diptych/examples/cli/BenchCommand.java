package dev.diptych.examples.cli;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import dev.diptych.core.UnifiedModel;
import dev.diptych.core.weights.CheckpointSummary;
import dev.diptych.models.Diptych;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Measures a model on this machine. */
@Command(
    name = "bench",
    description = "Measure a model on this machine: steps, tokens, bandwidth, memory.",
    mixinStandardHelpOptions = true,
    sortOptions = false)
final class BenchCommand implements Callable<Integer> {
  private final Console console;

  @Spec CommandSpec spec;

  @Option(
      names = "--steps",
      paramLabel = "N",
      description = "Stop a drawing after N steps (default: draw whole pictures).")
  int steps;

  @Option(
      names = "--tokens",
      paramLabel = "N",
      defaultValue = "32",
      description = "Tokens of a caption (default: ${DEFAULT-VALUE}).")
  int tokens;

  @Option(
      names = "--rounds",
      paramLabel = "N",
      defaultValue = "1",
      description = "Measured drawings and captions, after one to warm up (default: 1).")
  int rounds;

  @Option(
      names = {"-n", "--pictures"},
      paramLabel = "N",
      defaultValue = "1",
      description = "Pictures drawn at once (default: 1).")
  int pictures;

  @Option(
      names = "--together",
      paramLabel = "N",
      defaultValue = "0",
      description = "Draw N pictures at once as well, to compare (default: leave that out).")
  int together;

  @Option(
      names = "--picture-memory",
      paramLabel = "MB",
      defaultValue = "0",
      description =
          "Load with so much room for pictures that are asked about again, and ask again in another"
              + " session; Janus alone keeps any (default: 0).")
  int pictureMemory;

  @Mixin ModelOptions model;
  @Mixin ReportOptions report;

  private BenchCommand(Console console) {
    this.console = console;
  }

  /** {@return the command with its subcommands} */
  static CommandLine commandLine(Console console) {
    return new CommandLine(new BenchCommand(console))
        .addSubcommand(new MakeCommand(console))
        .addSubcommand(new ColdCommand(console))
        .addSubcommand(new KernelsCommand(console))
        .addSubcommand(new QualityCommand(console));
  }

  @Override
  public Integer call() {
    if (steps < 0 || tokens < 2 || rounds < 1 || pictures < 1) {
      throw new ParameterException(
          spec.commandLine(),
          "expected --steps of at least 0, --tokens of at least 2, --rounds and --pictures of at"
              + " least 1");
    }
    if (together < 0 || pictureMemory < 0) {
      throw new ParameterException(
          spec.commandLine(), "expected --together and --picture-memory of at least 0");
    }
    model.pictureMemory = pictureMemory * 1_000_000L;
    CheckpointSummary summary = Diptych.inspect(model.folder());
    List<Benchmark.Figure> figures;
    try (Interrupt interrupt = new Interrupt();
        UnifiedModel loaded = model.load()) {
      Consumer<String> note = text -> report.note(console, text);
      figures =
          new Benchmark(loaded, summary, interrupt.cancellation(), note)
              .run(
                  new Benchmark.Plan(
                      steps, tokens, rounds, pictures, together, pictureMemory > 0, model.device),
                  model.loadMillis());
    }
    if (report.json) {
      print(figures);
    } else {
      for (Benchmark.Figure figure : figures) {
        console
            .out()
            .println(
                String.format(
                    Locale.ROOT, "%-56s %12.2f %s", figure.name(), figure.value(), figure.unit()));
      }
    }
    return 0;
  }

  private void print(List<Benchmark.Figure> figures) {
    JsonArray array = new JsonArray();
    for (Benchmark.Figure figure : figures) {
      JsonObject one = new JsonObject();
      one.addProperty("name", figure.name());
      one.add("value", Report.number(figure.value()));
      one.addProperty("unit", figure.unit());
      array.add(one);
    }
    JsonObject json = new JsonObject();
    json.addProperty("command", "bench");
    json.addProperty("model", model.folder().toString());
    json.add("figures", array);
    Report.print(console, json);
  }
}
