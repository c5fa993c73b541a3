package dev.diptych.examples.cli;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import dev.diptych.core.GenerationResult;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;

/** What {@code --json} prints. */
final class Report {
  private static final Gson GSON = new GsonBuilder().disableHtmlEscaping().create();

  private Report() {}

  /** {@return everything about one answer} */
  static JsonObject of(
      String command, ModelOptions model, GenerationResult result, List<Path> files) {
    JsonObject json = new JsonObject();
    json.addProperty("command", command);
    json.addProperty("text", result.text());
    json.add("promptTokenIds", ints(result.promptTokenIds()));
    json.add("tokenIds", ints(result.tokenIds()));
    JsonArray codes = new JsonArray();
    result.imageCodes().forEach(c -> codes.add(ints(c)));
    json.add("imageCodes", codes);
    json.addProperty("seed", result.seed());
    json.add("options", JsonParser.parseString(result.options().toJson()));
    JsonObject of = new JsonObject();
    of.addProperty("name", result.modelName());
    of.addProperty("folder", model.folder().toString());
    of.addProperty("dtype", model.loadedDtype().name().toLowerCase(Locale.ROOT));
    of.addProperty("device", model.device.name().toLowerCase(Locale.ROOT));
    json.add("model", of);
    JsonObject timings = new JsonObject();
    timings.addProperty("load", model.loadMillis());
    timings.addProperty("firstToken", millis(result.timings().firstToken()));
    timings.addProperty("tokens", millis(result.timings().tokens()));
    timings.addProperty("imageEncoding", millis(result.timings().imageEncoding()));
    timings.addProperty("imageDecoding", millis(result.timings().imageDecoding()));
    timings.addProperty("total", millis(result.timings().total()));
    json.add("timingsMs", timings);
    json.addProperty("finishReason", result.finishReason().name().toLowerCase(Locale.ROOT));
    JsonArray written = new JsonArray();
    files.forEach(f -> written.add(f.toString()));
    json.add("files", written);
    return json;
  }

  /** {@return an error for machines} */
  static JsonObject error(Throwable failure) {
    JsonObject error = new JsonObject();
    error.addProperty("type", failure.getClass().getSimpleName());
    error.addProperty("message", Failures.message(failure));
    JsonObject json = new JsonObject();
    json.add("error", error);
    return json;
  }

  /** Prints one object on one line. */
  static void print(Console console, JsonElement json) {
    console.out().println(GSON.toJson(json));
    console.out().flush();
  }

  /** {@return milliseconds with three decimals} */
  static JsonPrimitive number(double millis) {
    return new JsonPrimitive(Math.round(millis * 1000) / 1000.0);
  }

  private static double millis(Duration duration) {
    return Math.round(duration.toNanos() / 1e3) / 1e3;
  }

  private static JsonArray ints(List<Integer> values) {
    JsonArray array = new JsonArray();
    values.forEach(array::add);
    return array;
  }
}
