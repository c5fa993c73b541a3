package dev.diptych.examples.cli;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import dev.diptych.core.engine.KernelBenchmark;
import dev.diptych.core.engine.LibTorch;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Measures the matrix products that models are made of. */
@Command(
    name = "kernels",
    description = "Measure products with one weight by number format and rows, on the CPU.",
    mixinStandardHelpOptions = true,
    sortOptions = false)
final class KernelsCommand implements Callable<Integer> {
  private final Console console;

  @Spec CommandSpec spec;

  @Option(
      names = "--outputs",
      paramLabel = "N",
      defaultValue = "11008",
      description = "Rows of the weight, a multiple of 16 (default: ${DEFAULT-VALUE}).")
  int outputs;

  @Option(
      names = "--inputs",
      paramLabel = "K",
      defaultValue = "4096",
      description = "Columns of the weight, a multiple of 32 (default: ${DEFAULT-VALUE}).")
  int inputs;

  @Option(
      names = "--rows",
      paramLabel = "M",
      split = ",",
      defaultValue = "1,2,4,8,16,64,128,512",
      description = "Rows that are multiplied (default: ${DEFAULT-VALUE}).")
  List<Integer> rows;

  @Option(
      names = "--rounds",
      paramLabel = "N",
      defaultValue = "3",
      description = "Measured rounds, of which the fastest counts (default: ${DEFAULT-VALUE}).")
  int rounds;

  @Mixin ReportOptions report;

  KernelsCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    List<KernelBenchmark.Figure> figures;
    try {
      figures = KernelBenchmark.measure(outputs, inputs, rows, rounds);
    } catch (IllegalArgumentException e) {
      throw new ParameterException(spec.commandLine(), e.getMessage(), e);
    }
    if (report.json) {
      print(figures);
      return 0;
    }
    console
        .out()
        .printf(Locale.ROOT, "weight of %dx%d, %d threads%n", outputs, inputs, LibTorch.threads());
    console
        .out()
        .printf("%8s %12s %12s %12s %14s%n", "rows", "format", "ms", "GB/s", "GFLOP/s");
    for (KernelBenchmark.Figure f : figures) {
      console
          .out()
          .printf(
              Locale.ROOT,
              "%8d %12s %12.3f %12.2f %14.1f%n",
              f.rows(),
              f.dtype().name().toLowerCase(Locale.ROOT),
              f.millis(),
              gigabytes(f),
              gigaflops(f));
    }
    return 0;
  }

  private void print(List<KernelBenchmark.Figure> figures) {
    JsonArray array = new JsonArray();
    for (KernelBenchmark.Figure f : figures) {
      JsonObject one = new JsonObject();
      one.addProperty("rows", f.rows());
      one.addProperty("dtype", f.dtype().name().toLowerCase(Locale.ROOT));
      one.add("ms", Report.number(f.millis()));
      one.add("gigabytesPerSecond", Report.number(gigabytes(f)));
      one.add("gigaflops", Report.number(gigaflops(f)));
      array.add(one);
    }
    JsonObject json = new JsonObject();
    json.addProperty("command", "bench kernels");
    json.addProperty("outputs", outputs);
    json.addProperty("inputs", inputs);
    json.addProperty("threads", LibTorch.threads());
    json.add("figures", array);
    Report.print(console, json);
  }

  private static double gigabytes(KernelBenchmark.Figure f) {
    return f.weightBytes() / f.millis() / 1e6;
  }

  private double gigaflops(KernelBenchmark.Figure f) {
    return 2.0 * f.rows() * outputs * inputs / f.millis() / 1e6;
  }
}
