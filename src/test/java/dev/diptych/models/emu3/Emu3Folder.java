package dev.diptych.models.emu3;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import dev.diptych.testing.Golden;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;

/** A copy of the tiny checkpoint that a test changes in one place. */
record Emu3Folder(Path path) {
  private static final String TENSORS = "model.safetensors";

  /** {@return a fresh copy; an earlier one of the same name is overwritten} */
  static Emu3Folder copy(Path parent, String name) throws IOException {
    Path folder = Files.createDirectories(parent.resolve(name));
    try (Stream<Path> files = Files.list(Golden.folder("emu3/checkpoint"))) {
      for (Path file : files.toList()) {
        Path target = folder.resolve(file.getFileName().toString());
        Files.deleteIfExists(target);
        Files.copy(file, target);
      }
    }
    return new Emu3Folder(folder);
  }

  /** Changes a JSON file. */
  Emu3Folder json(String file, Consumer<JsonObject> change) throws IOException {
    Path at = path.resolve(file);
    JsonObject json = JsonParser.parseString(Files.readString(at)).getAsJsonObject();
    change.accept(json);
    Files.writeString(at, json.toString());
    return this;
  }

  Emu3Folder config(Consumer<JsonObject> change) throws IOException {
    return json("config.json", change);
  }

  Emu3Folder textConfig(Consumer<JsonObject> change) throws IOException {
    return config(c -> change.accept(c.getAsJsonObject("text_config")));
  }

  Emu3Folder vocabularyMap(Consumer<JsonObject> change) throws IOException {
    return config(c -> change.accept(c.getAsJsonObject("vocabulary_map")));
  }

  /** Gives a token another id in tokenizer.json, wherever it stands there. */
  Emu3Folder tokenizerId(String token, int id) throws IOException {
    return json(
        "tokenizer.json",
        t -> {
          t.getAsJsonObject("model").getAsJsonObject("vocab").addProperty(token, id);
          t.getAsJsonArray("added_tokens")
              .forEach(
                  e -> {
                    if (e.getAsJsonObject().get("content").getAsString().equals(token)) {
                      e.getAsJsonObject().addProperty("id", id);
                    }
                  });
        });
  }

  /** Writes the tensors under other names. */
  Emu3Folder rename(UnaryOperator<String> names) throws IOException {
    JsonObject renamed = new JsonObject();
    header(bytes()).entrySet().forEach(e -> renamed.add(names.apply(e.getKey()), e.getValue()));
    return write(renamed, data());
  }

  /** Leaves a tensor out, its numbers too. */
  Emu3Folder without(String tensor) throws IOException {
    JsonObject header = header(bytes());
    JsonArray cut = header.remove(tensor).getAsJsonObject().getAsJsonArray("data_offsets");
    long begin = cut.get(0).getAsLong();
    long end = cut.get(1).getAsLong();
    header.entrySet().stream()
        .filter(e -> e.getValue().getAsJsonObject().has("data_offsets"))
        .map(e -> e.getValue().getAsJsonObject().getAsJsonArray("data_offsets"))
        .filter(offsets -> offsets.get(0).getAsLong() >= end)
        .forEach(
            offsets -> {
              offsets.set(0, new JsonPrimitive(offsets.get(0).getAsLong() - (end - begin)));
              offsets.set(1, new JsonPrimitive(offsets.get(1).getAsLong() - (end - begin)));
            });
    byte[] all = data();
    ByteBuffer kept = ByteBuffer.allocate(Math.toIntExact(all.length - (end - begin)));
    kept.put(all, 0, (int) begin).put(all, (int) end, all.length - (int) end);
    return write(header, kept.array());
  }

  private byte[] data() throws IOException {
    ByteBuffer file = bytes();
    int begin = 8 + Math.toIntExact(file.getLong(0));
    return Arrays.copyOfRange(file.array(), begin, file.capacity());
  }

  private Emu3Folder write(JsonObject header, byte[] data) throws IOException {
    byte[] json = header.toString().getBytes(StandardCharsets.UTF_8);
    ByteBuffer file =
        ByteBuffer.allocate(8 + json.length + data.length).order(ByteOrder.LITTLE_ENDIAN);
    Files.write(
        path.resolve(TENSORS), file.putLong(json.length).put(json).put(data).array());
    return this;
  }

  /** Overwrites a bfloat16 tensor's first number with NaN. */
  Emu3Folder poison(String tensor) throws IOException {
    ByteBuffer file = bytes();
    JsonArray offsets = header(file).getAsJsonObject(tensor).getAsJsonArray("data_offsets");
    int begin = 8 + Math.toIntExact(file.getLong(0)) + offsets.get(0).getAsInt();
    Files.write(path.resolve(TENSORS), file.putShort(begin, (short) 0x7FC0).array());
    return this;
  }

  private ByteBuffer bytes() throws IOException {
    return ByteBuffer.wrap(Files.readAllBytes(path.resolve(TENSORS)))
        .order(ByteOrder.LITTLE_ENDIAN);
  }

  private static JsonObject header(ByteBuffer file) {
    int length = Math.toIntExact(file.getLong(0));
    return JsonParser.parseString(new String(file.array(), 8, length, StandardCharsets.UTF_8))
        .getAsJsonObject();
  }
}
