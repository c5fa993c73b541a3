package dev.diptych.examples.cli;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import dev.diptych.core.weights.CheckpointSummary;
import dev.diptych.core.weights.Weights;
import dev.diptych.examples.Demo;
import dev.diptych.examples.DemoModel;
import dev.diptych.models.Diptych;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.Collection;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Says what a checkpoint is, without loading it. */
@Command(
    name = "inspect",
    description = "Say what a checkpoint is: family, sizes, dtypes, memory, how its tensors fit.",
    mixinStandardHelpOptions = true,
    footer = {"", "Exit code 1 when the library cannot run it."})
final class InspectCommand implements Callable<Integer> {
  private static final int SHOWN = 20;

  private final Console console;

  @Parameters(
      arity = "0..1",
      paramLabel = "DIR",
      description = "Folder, or a single file of weights (default: the embedded Janus demo).")
  Path location;

  @Option(
      names = "--demo",
      paramLabel = "NAME",
      converter = ModelOptions.DemoConverter.class,
      description = "Which embedded demo, in place of DIR: janus, chameleon or transfusion.")
  Demo demo;

  @Mixin ReportOptions report;

  @Spec CommandSpec spec;

  InspectCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    if (location != null && demo != null) {
      throw new ParameterException(spec.commandLine(), "expected DIR or --demo, found both");
    }
    CheckpointSummary summary =
        Diptych.inspect(
            location != null ? location : DemoModel.folder(demo == null ? Demo.JANUS : demo));
    if (report.json) {
      Report.print(console, json(summary));
    } else {
      print(summary);
    }
    return summary.fit().map(f -> f.fits() ? 0 : 1).orElse(1);
  }

  private void print(CheckpointSummary summary) {
    PrintStream out = console.out();
    out.println(summary.location());
    line("family", summary.family() + summary.layout().map(l -> ", layout " + l).orElse(""));
    line(
        "tensors",
        String.format(
            Locale.ROOT, "%,d with %,d parameters", summary.tensors(), summary.parameters()));
    summary.sizes().forEach((name, value) -> line(name, value));
    out.println();
    out.println("part                        tensors       parameters          size  stored as");
    for (CheckpointSummary.Part part : summary.parts()) {
      out.println(
          String.format(
              Locale.ROOT,
              "%-26s %8d %,16d %13s  %s",
              part.name(),
              part.tensors(),
              part.parameters(),
              megabytes(part.bytes()),
              types(part)));
    }
    out.println();
    summary
        .files()
        .forEach((file, bytes) -> line(file.getFileName().toString(), megabytes(bytes)));
    summary.memory().ifPresent(this::print);
    out.println();
    summary
        .fit()
        .ifPresentOrElse(
            this::print,
            () -> out.println("No family of this library runs it; the tensors are listed only."));
  }

  private void print(CheckpointSummary.Memory memory) {
    console.out().println();
    console
        .out()
        .println("memory                           float32      bfloat16          int8          int4");
    row(
        "weights",
        memory.weightsFloat32(),
        memory.weightsBfloat16(),
        memory.weightsInt8(),
        memory.weightsInt4());
    row("cache of a guided drawing", memory.drawingCacheFloat32(), memory.drawingCacheBfloat16());
    row("cache of a full context", memory.contextCacheFloat32(), memory.contextCacheBfloat16());
  }

  private void print(Weights.Report fit) {
    list("missing", fit.missing().entrySet().stream().map(e -> e.getKey() + " " + e.getValue()).toList());
    list("of another shape", fit.mismatched().stream().map(Weights.Mismatch::toString).toList());
    list("unknown", fit.unused());
    Map<String, Long> reasons =
        fit.ignored().values().stream()
            .collect(Collectors.groupingBy(r -> r, java.util.TreeMap::new, Collectors.counting()));
    reasons.forEach((reason, count) -> line("ignored", count + " tensors: " + reason));
    console.out().println(fit.fits() ? "Every tensor fits." : "The tensors do not fit the config.");
  }

  private void list(String what, Collection<String> items) {
    if (items.isEmpty()) {
      return;
    }
    line(what, items.size() + " tensors");
    items.stream().limit(SHOWN).forEach(i -> console.out().println("  " + i));
    if (items.size() > SHOWN) {
      console.out().println("  and " + (items.size() - SHOWN) + " more");
    }
  }

  private void line(String name, String value) {
    console.out().println(String.format(Locale.ROOT, "%-28s %s", name, value));
  }

  private void row(String name, long float32, long bfloat16) {
    // Integers are of weights alone.
    row(name, float32, bfloat16, bfloat16, bfloat16);
  }

  private void row(String name, long float32, long bfloat16, long int8, long int4) {
    console
        .out()
        .println(
            String.format(
                Locale.ROOT,
                "%-26s %13s %13s %13s %13s",
                name,
                megabytes(float32),
                megabytes(bfloat16),
                megabytes(int8),
                megabytes(int4)));
  }

  private static String types(CheckpointSummary.Part part) {
    return part.types().entrySet().stream()
        .map(e -> e.getKey() + (part.types().size() > 1 ? " x" + e.getValue() : ""))
        .collect(Collectors.joining(", "));
  }

  private static String megabytes(long bytes) {
    return String.format(Locale.ROOT, "%,.1f MB", bytes / 1e6);
  }

  private static JsonObject json(CheckpointSummary summary) {
    JsonObject json = new JsonObject();
    json.addProperty("command", "inspect");
    json.addProperty("location", summary.location().toString());
    json.addProperty("family", summary.family());
    summary.layout().ifPresent(l -> json.addProperty("layout", l));
    json.addProperty("tensors", summary.tensors());
    json.addProperty("parameters", summary.parameters());
    JsonObject sizes = new JsonObject();
    summary
        .sizes()
        .forEach(
            (name, value) -> {
              // Most are numbers; some name a kind.
              if (value.matches("\\d{1,18}")) {
                sizes.addProperty(name, Long.parseLong(value));
              } else {
                sizes.addProperty(name, value);
              }
            });
    json.add("sizes", sizes);
    JsonArray parts = new JsonArray();
    for (CheckpointSummary.Part part : summary.parts()) {
      JsonObject one = new JsonObject();
      one.addProperty("name", part.name());
      one.addProperty("tensors", part.tensors());
      one.addProperty("parameters", part.parameters());
      one.addProperty("bytes", part.bytes());
      JsonObject types = new JsonObject();
      part.types().forEach((type, count) -> types.addProperty(type.name(), count));
      one.add("types", types);
      parts.add(one);
    }
    json.add("parts", parts);
    JsonObject files = new JsonObject();
    summary.files().forEach((f, bytes) -> files.addProperty(f.getFileName().toString(), bytes));
    json.add("files", files);
    summary.memory().ifPresent(m -> json.add("memoryBytes", json(m)));
    summary.fit().ifPresent(f -> json.add("fit", json(f)));
    json.addProperty("runs", summary.fit().map(Weights.Report::fits).orElse(false));
    return json;
  }

  private static JsonObject json(CheckpointSummary.Memory memory) {
    JsonObject json = new JsonObject();
    json.addProperty("weightsFloat32", memory.weightsFloat32());
    json.addProperty("weightsBfloat16", memory.weightsBfloat16());
    json.addProperty("weightsInt8", memory.weightsInt8());
    json.addProperty("weightsInt4", memory.weightsInt4());
    json.addProperty("drawingCacheFloat32", memory.drawingCacheFloat32());
    json.addProperty("drawingCacheBfloat16", memory.drawingCacheBfloat16());
    json.addProperty("contextCacheFloat32", memory.contextCacheFloat32());
    json.addProperty("contextCacheBfloat16", memory.contextCacheBfloat16());
    return json;
  }

  private static JsonObject json(Weights.Report fit) {
    JsonObject json = new JsonObject();
    json.add("missing", array(fit.missing().keySet()));
    json.add("mismatched", array(fit.mismatched().stream().map(Weights.Mismatch::toString).toList()));
    json.add("unknown", array(fit.unused()));
    JsonObject ignored = new JsonObject();
    fit.ignored().forEach(ignored::addProperty);
    json.add("ignored", ignored);
    return json;
  }

  private static JsonArray array(Iterable<String> items) {
    JsonArray array = new JsonArray();
    items.forEach(array::add);
    return array;
  }
}
