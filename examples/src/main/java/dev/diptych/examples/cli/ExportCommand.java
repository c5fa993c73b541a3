package dev.diptych.examples.cli;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import dev.diptych.examples.DemoModel;
import dev.diptych.models.Diptych;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Writes what the library runs in ONNX Runtime as a file of its own. */
@Command(
    name = "export",
    description = "Write a picture coder as an ONNX file that needs nothing else.",
    mixinStandardHelpOptions = true,
    sortOptions = false)
final class ExportCommand implements Callable<Integer> {
  private static final List<String> PARTS =
      List.of("vq-encoder", "vq-decoder", "vae-encoder", "vae-decoder");

  private final Console console;

  @Spec CommandSpec spec;

  @Parameters(
      arity = "0..1",
      paramLabel = "DIR",
      description = "Folder of a checkpoint (default: the embedded demo).")
  Path folder;

  @Option(
      names = "--part",
      required = true,
      paramLabel = "PART",
      description = "vq-encoder (pixels to codes) or vq-decoder (codes to pixels); vae-encoder or"
          + " vae-decoder where pictures are latents.")
  String part;

  @Option(
      names = {"-o", "--output"},
      required = true,
      paramLabel = "FILE.onnx",
      description = "File to write; weights above 1.5 GB go into FILE.onnx.data beside it.")
  Path output;

  @Mixin ReportOptions report;

  ExportCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    if (!PARTS.contains(part)) {
      throw new ParameterException(
          spec.commandLine(),
          "--part is " + part + "; expected one of " + String.join(", ", PARTS));
    }
    Pictures.requireWritable(output);
    Path source = folder == null ? DemoModel.folder() : folder;
    List<Path> written;
    Interrupt interrupt = Interrupt.removing(half(""), half(".data"));
    try {
      written =
          part.endsWith("encoder")
              ? Diptych.exportVqEncoder(source, output)
              : Diptych.exportVqDecoder(source, output);
    } finally {
      interrupt.close();
    }
    if (report.json) {
      JsonObject json = new JsonObject();
      json.addProperty("command", "export");
      json.addProperty("part", part);
      JsonArray files = new JsonArray();
      written.forEach(f -> files.add(f.toString()));
      json.add("files", files);
      Report.print(console, json);
    } else {
      written.forEach(console.out()::println);
    }
    return 0;
  }

  /** A name of the files until they are whole. */
  private Path half(String suffix) {
    return output.resolveSibling(output.getFileName() + suffix + ".partial");
  }
}
