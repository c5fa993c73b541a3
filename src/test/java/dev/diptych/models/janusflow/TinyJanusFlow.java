package dev.diptych.models.janusflow;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import dev.diptych.core.DType;
import dev.diptych.core.DeviceChoice;
import dev.diptych.core.Image;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.Part;
import dev.diptych.testing.Golden;
import dev.diptych.tokenizers.ImageFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** The tiny checkpoint, and what is said of it in the goldens. */
final class TinyJanusFlow {
  static final LoadOptions FLOAT32 =
      LoadOptions.DEFAULT.withDtype(DType.FLOAT32).withDevice(DeviceChoice.CPU);
  private static final String PLACEHOLDER = "<image_placeholder>";

  private TinyJanusFlow() {}

  static Path checkpoint() {
    return Golden.folder("janusflow/checkpoint");
  }

  static JanusFlowModel load() {
    return JanusFlowModel.load(checkpoint(), FLOAT32);
  }

  /** Copies the checkpoint but for its VAE. */
  static Path withoutVae(Path folder) {
    try (Stream<Path> files = Files.list(checkpoint())) {
      Files.createDirectories(folder);
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        Files.copy(file, folder.resolve(file.getFileName()));
      }
      return folder;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static JsonObject prompt(String name) {
    for (JsonElement e : Golden.facts("janusflow/prompts").getAsJsonArray("prompts")) {
      if (e.getAsJsonObject().get("name").getAsString().equals(name)) {
        return e.getAsJsonObject();
      }
    }
    throw new AssertionError("no prompt " + name);
  }

  /** What the user says, with its pictures. */
  static List<Part> parts(JsonObject prompt) {
    List<Part> parts = new ArrayList<>();
    String text =
        prompt.getAsJsonArray("messages").get(0).getAsJsonObject().get("content").getAsString();
    int from = 0;
    for (JsonElement picture : prompt.getAsJsonArray("pictures")) {
      int at = text.indexOf(PLACEHOLDER, from);
      if (at > from) {
        parts.add(Part.of(text.substring(from, at)));
      }
      parts.add(Part.of(picture(picture.getAsString())));
      from = at + PLACEHOLDER.length();
    }
    if (from < text.length()) {
      parts.add(Part.of(text.substring(from)));
    }
    return parts;
  }

  static Image picture(String name) {
    return ImageFile.read(Golden.folder("janus/pictures").resolve(name));
  }

  static List<Integer> list(JsonObject object, String key) {
    List<Integer> values = new ArrayList<>();
    object.getAsJsonArray(key).forEach(e -> values.add(e.getAsInt()));
    return values;
  }
}
