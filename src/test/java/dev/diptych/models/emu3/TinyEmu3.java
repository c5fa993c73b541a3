package dev.diptych.models.emu3;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import dev.diptych.core.DType;
import dev.diptych.core.DeviceChoice;
import dev.diptych.core.Image;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.Part;
import dev.diptych.testing.Golden;
import dev.diptych.tokenizers.ImageFile;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** The tiny random checkpoint, which has the name of none of the published ones, and its facts. */
final class TinyEmu3 {
  static final LoadOptions FLOAT32 =
      LoadOptions.DEFAULT.withDtype(DType.FLOAT32).withDevice(DeviceChoice.CPU);

  private TinyEmu3() {}

  static Emu3Model load() {
    return Emu3Model.load(Golden.folder("emu3/checkpoint"), FLOAT32);
  }

  static JsonObject facts() {
    return Golden.facts("emu3");
  }

  /** {@return the objects of an array of facts} */
  static Stream<JsonObject> facts(String name) {
    List<JsonObject> found = new ArrayList<>();
    for (JsonElement element : facts().getAsJsonArray(name)) {
      found.add(element.getAsJsonObject());
    }
    return found.stream();
  }

  static JsonObject drawing(String name) {
    return facts("drawing")
        .filter(d -> d.get("name").getAsString().equals(name))
        .findFirst()
        .orElseThrow();
  }

  static int[] ints(JsonObject object, String key) {
    JsonArray array = object.getAsJsonArray(key);
    return IntStream.range(0, array.size()).map(i -> array.get(i).getAsInt()).toArray();
  }

  static List<Integer> list(JsonObject object, String key) {
    return IntStream.of(ints(object, key)).boxed().toList();
  }

  static Image picture(String name) {
    return ImageFile.read(Golden.folder("emu3/pictures").resolve(name + ".png"));
  }

  static List<Part> parts(JsonObject reading) {
    List<Part> parts = new ArrayList<>();
    for (JsonElement element : reading.getAsJsonArray("parts")) {
      JsonObject part = element.getAsJsonObject();
      parts.add(
          part.has("text")
              ? Part.of(part.get("text").getAsString())
              : Part.of(picture(part.get("picture").getAsString())));
    }
    return parts;
  }
}
