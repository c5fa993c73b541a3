package dev.diptych.models.chameleon;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.Image;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.testing.Golden;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A turn and what the authors' own code answers, of a case.json in {@code golden/chameleon}. */
record GenerationCase(JsonObject json) {
  private static final int BEGIN_OF_IMAGE = 69;

  /** Finds a case by its list and its name. */
  static GenerationCase of(String golden, String list, String name) {
    for (JsonElement one : Golden.facts("chameleon/" + golden).getAsJsonArray(list)) {
      if (one.getAsJsonObject().get("name").getAsString().equals(name)) {
        return new GenerationCase(one.getAsJsonObject());
      }
    }
    throw new IllegalArgumentException(name + " is not in " + list);
  }

  List<Integer> ints(String member) {
    List<Integer> values = new ArrayList<>();
    json.getAsJsonArray(member).forEach(v -> values.add(v.getAsInt()));
    return values;
  }

  int integer(String member) {
    return json.get(member).getAsInt();
  }

  double number(String member) {
    return json.get(member).getAsDouble();
  }

  /** The turn as a request, its pictures as pixels. */
  GenerationRequest.Builder request() {
    GenerationRequest.Builder request = GenerationRequest.builder();
    for (JsonElement part : json.getAsJsonArray("parts")) {
      if (part.isJsonObject()) {
        request.image(new GenerationCase(part.getAsJsonObject()).image());
      } else {
        request.text(part.getAsString());
      }
    }
    return request;
  }

  /** The pixels of {@code rgb}, of {@code width} and {@code height}. */
  Image image() {
    List<Integer> values = ints("rgb");
    byte[] rgb = new byte[values.size()];
    for (int i = 0; i < rgb.length; i++) {
      rgb[i] = values.get(i).byteValue();
    }
    return Image.of(integer("width"), integer("height"), rgb);
  }

  /** Makes the weights of a folder open pictures: the token's row of the head, times 3. */
  static void openPictures(Path folder) throws IOException {
    Path file = folder.resolve("model.safetensors");
    ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
    int header = Math.toIntExact(bytes.getLong(0));
    byte[] text = new byte[header];
    bytes.get(Long.BYTES, text);
    JsonMap head = JsonMap.parse("the header", text).object("lm_head.weight");
    List<Long> offsets = head.integers("data_offsets", 0, 1 << 30);
    long row = (offsets.get(1) - offsets.get(0)) / head.integers("shape", 1, 1 << 16).get(0);
    int first = Math.toIntExact(Long.BYTES + header + offsets.get(0) + BEGIN_OF_IMAGE * row);
    boolean half = head.string("dtype").equals("BF16");
    for (int at = first; at < first + row; at += half ? 2 : 4) {
      if (half) {
        float value = Float.intBitsToFloat(bytes.getShort(at) << 16) * 3;
        bytes.putShort(at, (short) (Float.floatToIntBits(value) >>> 16));
      } else {
        bytes.putFloat(at, bytes.getFloat(at) * 3);
      }
    }
    Files.write(file, bytes.array());
  }
}
