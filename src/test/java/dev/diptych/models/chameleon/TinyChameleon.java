package dev.diptych.models.chameleon;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.testing.Golden;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.function.Consumer;
import java.util.stream.Stream;

/** The tiny random checkpoints in {@code golden/chameleon}. */
final class TinyChameleon {
  static final LoadOptions WITH_CODER =
      LoadOptions.DEFAULT.withImageCoder(Golden.folder("chameleon/image-coder"));

  private TinyChameleon() {}

  static Path checkpoint(String layout) {
    return Golden.folder("chameleon/" + layout + "/checkpoint");
  }

  static Checkpoint goldens(String layout) {
    String computed =
        switch (layout) {
          case "meta", "lumina-7b-512" -> "hf";
          case "meta-sharded" -> "hf-swin";
          default -> layout;
        };
    return Checkpoint.openFile(
        Golden.folder("chameleon/" + computed).resolve("goldens.safetensors"));
  }

  static int[] ints(Checkpoint golden, String name) {
    ByteBuffer bytes = golden.read(name);
    int[] values = new int[bytes.remaining() / Long.BYTES];
    for (int i = 0; i < values.length; i++) {
      values[i] = Math.toIntExact(bytes.getLong(Long.BYTES * i));
    }
    return values;
  }

  static float[] floats(Checkpoint golden, String name) {
    float[] values = new float[Math.toIntExact(golden.spec(name).elements())];
    golden.read(name).asFloatBuffer().get(values);
    return values;
  }

  /** Copies a checkpoint, folders in it as well. */
  static void copy(String layout, Path to) throws IOException {
    Path from = checkpoint(layout);
    try (Stream<Path> files = Files.walk(from)) {
      for (Path file : files.toList()) {
        Path target = to.resolve(from.relativize(file).toString());
        if (Files.isDirectory(file)) {
          Files.createDirectories(target);
        } else {
          Files.copy(file, target, StandardCopyOption.REPLACE_EXISTING);
        }
      }
    }
  }

  static void edit(Path file, Consumer<JsonObject> change) throws IOException {
    JsonObject json = JsonParser.parseString(Files.readString(file)).getAsJsonObject();
    change.accept(json);
    Files.writeString(file, json.toString());
  }
}
