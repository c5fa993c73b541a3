package dev.diptych.models.bagel;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import dev.diptych.core.DType;
import dev.diptych.core.DeviceChoice;
import dev.diptych.core.FinishReason;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.GenerationRun;
import dev.diptych.core.GuidanceRenorm;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.Output;
import dev.diptych.core.Part;
import dev.diptych.core.Session;
import dev.diptych.models.bagel.BagelTrack.Entry;
import dev.diptych.testing.Golden;
import dev.diptych.testing.Photographs;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import java.util.stream.Stream;

/** The tiny random checkpoint in the published layout, and what the reference computed with it. */
final class TinyBagel {
  static final LoadOptions FLOAT32 =
      LoadOptions.DEFAULT.withDtype(DType.FLOAT32).withDevice(DeviceChoice.CPU);

  private TinyBagel() {}

  static Path folder() {
    return Golden.folder("bagel/checkpoint");
  }

  static BagelModel load() {
    return BagelModel.load(folder(), FLOAT32);
  }

  /** {@return the objects of an array of facts} */
  static Stream<JsonObject> facts(String name) {
    List<JsonObject> found = new ArrayList<>();
    for (JsonElement element : Golden.facts("bagel").getAsJsonArray(name)) {
      found.add(element.getAsJsonObject());
    }
    return found.stream();
  }

  static Stream<String> drawings() {
    return facts("drawing").map(d -> d.get("name").getAsString());
  }

  static JsonObject drawing(String name) {
    return facts("drawing")
        .filter(d -> d.get("name").getAsString().equals(name))
        .findFirst()
        .orElseThrow();
  }

  static boolean thinks(JsonObject fact) {
    return fact.has("think");
  }

  static List<Part> parts(JsonObject fact) {
    List<Part> parts = new ArrayList<>();
    for (JsonElement element : fact.getAsJsonArray("parts")) {
      String part = element.getAsString();
      Path photograph = Golden.folder("image/photographs").resolve(part + ".png");
      parts.add(
          Files.exists(photograph) ? Part.of(Photographs.read(part)) : Part.of(part));
    }
    return parts;
  }

  /** {@return the parts as they stand in a conversation} */
  static List<Entry> entries(BagelModel model, JsonObject fact) {
    List<Entry> entries = new ArrayList<>();
    for (Part part : parts(fact)) {
      entries.add(
          part instanceof Part.Text text
              ? new Entry.Words(model.prompt().words(text.text()))
              : new Entry.Picture(model.imageProcessor().fit(((Part.Picture) part).image())));
    }
    return entries;
  }

  static GenerationRequest request(JsonObject fact) {
    GenerationRequest.Builder request = GenerationRequest.builder().output(Output.IMAGE);
    parts(fact).forEach(request::part);
    return request.options(options(fact)).build();
  }

  /** {@return the reference's options in our words} */
  static GenerationOptions options(JsonObject fact) {
    JsonArray interval = fact.getAsJsonArray("cfg_interval");
    String kind = fact.get("cfg_renorm_type").getAsString();
    GenerationOptions.Builder options =
        GenerationOptions.builder()
            .guidanceScale(fact.get("cfg_text_scale").getAsDouble())
            .imageGuidanceScale(fact.get("cfg_img_scale").getAsDouble())
            .guidanceInterval(interval.get(0).getAsDouble(), interval.get(1).getAsDouble())
            .guidanceRenorm(
                GuidanceRenorm.Kind.valueOf(kind.toUpperCase(Locale.ROOT)),
                fact.get("cfg_renorm_min").getAsDouble())
            .timestepShift(fact.get("timestep_shift").getAsDouble())
            .inferenceSteps(fact.get("num_timesteps").getAsInt() - 1)
            .imageSize(fact.get("width").getAsInt(), fact.get("height").getAsInt())
            .seed(1);
    if (thinks(fact)) {
      // The reference counts the token that begins the thoughts.
      options.think(true).maxTokens(fact.get("max_think_token_n").getAsInt() - 1);
    }
    return options.build();
  }

  static List<Integer> ids(JsonObject fact) {
    List<Integer> ids = new ArrayList<>();
    fact.getAsJsonArray("ids").forEach(e -> ids.add(e.getAsInt()));
    return ids;
  }

  /** Does something inside a request, where alone native calls may be made. */
  static void within(BagelModel model, GenerationRequest request, Consumer<GenerationRun> work) {
    try (Session session =
        new Session(model, model.lifetime()) {
          @Override
          protected GenerationResult run(GenerationRun run) {
            work.accept(run);
            return new GenerationResult(
                List.of(),
                List.of(),
                List.of(),
                List.of(),
                FinishReason.STOP,
                1,
                run.options(),
                "test",
                run.timings());
          }

          @Override
          protected void release() {}
        }) {
      session.generate(request);
    }
  }
}
