package dev.diptych.examples.cli;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import dev.diptych.examples.Demo;
import dev.diptych.examples.world.PictureWorld;
import dev.diptych.examples.world.Scene;
import dev.diptych.examples.world.SceneRenderer;
import dev.diptych.tokenizers.ImageFile;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * Measures what a person waits for who runs the program: processes of their own, from the start of
 * the JVM to the first letter of a caption, to its end, and to the file of a drawing.
 */
@Command(
    name = "cold",
    description = {
      "Measure cold starts: run caption and draw as processes of their own, each --rounds times.",
      "Counted from the start of the process; files are in the page cache after the first round."
    },
    mixinStandardHelpOptions = true,
    sortOptions = false)
final class ColdCommand implements Callable<Integer> {
  private final Console console;

  @Spec CommandSpec spec;

  @Option(
      names = "--rounds",
      paramLabel = "N",
      defaultValue = "3",
      description = "Measured processes of each kind, of which the median counts (default: 3).")
  int rounds;

  @Option(
      names = {"-m", "--model"},
      paramLabel = "DIR",
      description = "Folder of a checkpoint (default: each of the embedded demos).")
  Path model;

  @Option(
      names = "--demo",
      paramLabel = "NAME",
      converter = ModelOptions.DemoConverter.class,
      description = "One embedded demo (default: each of them).")
  Demo demo;

  @Option(
      names = "--dtype",
      paramLabel = "DTYPE",
      defaultValue = "auto",
      description = "Number format: auto, float32, bfloat16, int8 or int4 (default: auto).")
  String dtype;

  @Mixin ReportOptions report;

  ColdCommand(Console console) {
    this.console = console;
  }

  /** When a process said its first letter and when it ended, in milliseconds from its start. */
  private record Run(double first, double whole) {}

  @Override
  public Integer call() throws IOException {
    if (rounds < 1) {
      throw new ParameterException(spec.commandLine(), "expected --rounds of at least 1");
    }
    if (model != null && demo != null) {
      throw new ParameterException(
          spec.commandLine(), "--model and --demo are two answers to which model; give one");
    }
    Scene scene = PictureWorld.scenes(1, 1, true).get(0);
    List<Benchmark.Figure> figures = new ArrayList<>();
    Path folder = Files.createTempDirectory("diptych-cold");
    Path picture = folder.resolve("scene.png");
    Path drawn = folder.resolve("drawn.png");
    try {
      ImageFile.writePng(SceneRenderer.render(scene), picture, Map.of());
      for (List<String> which : models()) {
        String name = which.get(which.size() - 1) + ", cold, ";
        report.note(console, name + "captioning");
        List<Run> captions = runs(which, "caption", picture.toString());
        figures.add(figure(name + "first letter of a caption", captions, true));
        figures.add(figure(name + "a caption", captions, false));
        report.note(console, name + "drawing");
        List<Run> drawings = runs(which, "draw", scene.caption(), "-o", drawn.toString());
        figures.add(figure(name + "a drawing", drawings, false));
      }
    } finally {
      Files.deleteIfExists(drawn);
      Files.deleteIfExists(picture);
      Files.deleteIfExists(folder);
    }
    tell(figures);
    return 0;
  }

  private List<List<String>> models() {
    if (model != null) {
      return List.of(List.of("--model", model.toString()));
    }
    return Arrays.stream(Demo.values())
        .filter(d -> demo == null || d == demo)
        .map(d -> List.of("--demo", d.toString()))
        .toList();
  }

  private List<Run> runs(List<String> which, String... arguments) throws IOException {
    List<String> command = new ArrayList<>(program());
    command.addAll(List.of(arguments));
    command.addAll(which);
    command.addAll(List.of("--dtype", dtype, "--quiet"));
    List<Run> runs = new ArrayList<>();
    for (int i = 0; i < rounds; i++) {
      runs.add(run(command));
    }
    return runs;
  }

  /** This program as somebody would run it: the same JVM, none of this process's options. */
  private static List<String> program() {
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    String path = System.getProperty("java.class.path");
    String own = Main.class.getProtectionDomain().getCodeSource().getLocation().getPath();
    // A class path of one jar is this program's own, or only names others.
    boolean jar =
        !path.contains(File.pathSeparator)
            && path.endsWith(".jar")
            && own.endsWith(Path.of(path).getFileName().toString());
    return jar
        ? List.of(java, "-jar", path)
        : List.of(java, "-cp", path, Main.class.getName());
  }

  private static Run run(List<String> command) throws IOException {
    // To a file, so that a process that complains at length does not wait for a reader.
    Path complaints = Files.createTempFile("diptych-cold", ".err");
    try {
      long begin = System.nanoTime();
      Process process = new ProcessBuilder(command).redirectError(complaints.toFile()).start();
      try (Interrupt interrupt = Interrupt.removing(complaints);
          InputStream out = process.getInputStream()) {
        process.getOutputStream().close();
        int letter = out.read();
        double first = (System.nanoTime() - begin) / 1e6;
        out.readAllBytes();
        int code = process.waitFor();
        double whole = (System.nanoTime() - begin) / 1e6;
        if (code != 0 || letter < 0) {
          throw new UncheckedIOException(
              new IOException(
                  "A process ended with exit code "
                      + code
                      + ": "
                      + String.join(" ", command)
                      + "\n"
                      + Files.readString(complaints, StandardCharsets.UTF_8)));
        }
        return new Run(first, whole);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new UncheckedIOException(new IOException("The measurement was interrupted", e));
      } finally {
        process.destroy();
      }
    } finally {
      Files.deleteIfExists(complaints);
    }
  }

  private static Benchmark.Figure figure(String name, List<Run> runs, boolean first) {
    List<Double> times = runs.stream().map(r -> first ? r.first : r.whole).toList();
    return new Benchmark.Figure(name, Benchmark.Figure.percentile(times, 0.5), "ms");
  }

  private void tell(List<Benchmark.Figure> figures) {
    JsonArray array = new JsonArray();
    for (Benchmark.Figure f : figures) {
      JsonObject one = new JsonObject();
      one.addProperty("name", f.name());
      one.add("value", Report.number(f.value()));
      one.addProperty("unit", f.unit());
      array.add(one);
      if (!report.json) {
        console.out().printf(Locale.ROOT, "%-52s %12.2f %s%n", f.name(), f.value(), f.unit());
      }
    }
    if (report.json) {
      JsonObject json = new JsonObject();
      json.addProperty("command", "bench cold");
      json.add("figures", array);
      Report.print(console, json);
    }
  }
}
