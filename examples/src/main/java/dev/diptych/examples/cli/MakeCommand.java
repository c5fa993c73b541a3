package dev.diptych.examples.cli;

import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.diptych.examples.DemoModel;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.HashMap;
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

/** Makes a checkpoint of a published size with random weights, to measure without a download. */
@Command(
    name = "make",
    description = "Make a checkpoint of a published size with random weights.",
    mixinStandardHelpOptions = true)
final class MakeCommand implements Callable<Integer> {
  private static final List<String> TOKENIZER_FILES =
      List.of(
          "tokenizer.json",
          "tokenizer_config.json",
          "special_tokens_map.json",
          "generation_config.json",
          "chat_template.jinja");

  private final Console console;

  @Spec CommandSpec spec;

  @Option(
      names = "--shape",
      paramLabel = "SHAPE",
      defaultValue = "janus-pro-1b",
      description = "janus-pro-1b, janus-pro-7b or tiny (default: ${DEFAULT-VALUE}).")
  String shape;

  @Option(
      names = "--tokenizer",
      paramLabel = "DIR",
      description = "Checkpoint whose tokenizer is copied (default: the embedded demo).")
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

  MakeCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() throws IOException {
    JanusShape sizes = JanusShape.all().get(shape);
    if (sizes == null) {
      throw new ParameterException(
          spec.commandLine(), "--shape is " + shape + "; expected " + JanusShape.all().keySet());
    }
    Path source = tokenizer == null ? DemoModel.folder() : tokenizer;
    Files.createDirectories(folder);
    report.note(console, shape + ": " + sizes);
    for (String file : TOKENIZER_FILES) {
      if (Files.exists(source.resolve(file))) {
        Files.copy(
            source.resolve(file), folder.resolve(file), StandardCopyOption.REPLACE_EXISTING);
      }
    }
    write("config.json", sizes.config(controlTokens(source)));
    JsonObject image = imageProcessor(sizes);
    write("preprocessor_config.json", image);
    JsonObject processor = new JsonObject();
    processor.addProperty("processor_class", "JanusProcessor");
    processor.addProperty("num_image_tokens", sizes.vision().patches());
    processor.addProperty("use_default_system_prompt", true);
    write("processor_config.json", processor);
    Path target = folder.resolve("model.safetensors");
    Path partial = folder.resolve("model.safetensors.partial");
    boolean bar = console.errIsTerminal() && !report.quiet;
    Interrupt interrupt = Interrupt.removing(partial);
    try (Progress progress = new Progress(console, bar, "writing", " M numbers")) {
      RandomCheckpoint.write(partial, sizes.tensors(), seed, progress);
      Files.move(partial, target, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(partial);
      interrupt.close();
    }
    console.out().println(folder);
    return 0;
  }

  private void write(String file, JsonObject json) throws IOException {
    String text = new GsonBuilder().setPrettyPrinting().create().toJson(json) + "\n";
    Files.writeString(folder.resolve(file), text, StandardCharsets.UTF_8);
  }

  private static JsonObject imageProcessor(JanusShape sizes) {
    JsonObject json = new JsonObject();
    json.addProperty("image_processor_type", "JanusImageProcessor");
    json.addProperty("do_resize", true);
    json.addProperty("do_rescale", true);
    json.addProperty("do_normalize", true);
    json.addProperty("do_pad", true);
    json.addProperty("min_size", 14);
    json.addProperty("resample", 3);
    json.addProperty("rescale_factor", 1 / 255.0);
    JsonArray half = new JsonArray();
    JsonArray grey = new JsonArray();
    for (int i = 0; i < 3; i++) {
      half.add(0.5);
      grey.add(127);
    }
    json.add("image_mean", half);
    json.add("image_std", half);
    json.add("background_color", grey);
    JsonObject size = new JsonObject();
    size.addProperty("height", sizes.vision().imageSize());
    size.addProperty("width", sizes.vision().imageSize());
    json.add("size", size);
    return json;
  }

  /** The ids of the tokenizer that is copied: the rows behind them are random in any case. */
  private static Map<String, Integer> controlTokens(Path source) throws IOException {
    JsonObject config = json(source.resolve("config.json"));
    Map<String, Integer> ids = new HashMap<>();
    if (config.has("image_token_id")) {
      ids.put("image_token_id", config.get("image_token_id").getAsInt());
    } else {
      for (JsonElement token :
          json(source.resolve("tokenizer.json")).getAsJsonArray("added_tokens")) {
        JsonObject added = token.getAsJsonObject();
        if (added.get("content").getAsString().equals("<image_placeholder>")) {
          ids.put("image_token_id", added.get("id").getAsInt());
        }
      }
    }
    JsonObject text =
        config.has("text_config") ? config.getAsJsonObject("text_config") : new JsonObject();
    for (String key : List.of("bos_token_id", "eos_token_id", "pad_token_id")) {
      if (text.has(key) && text.get(key).isJsonPrimitive()) {
        ids.put(key, text.get(key).getAsInt());
      }
    }
    return ids;
  }

  private static JsonObject json(Path file) throws IOException {
    return JsonParser.parseString(Files.readString(file, StandardCharsets.UTF_8))
        .getAsJsonObject();
  }
}
