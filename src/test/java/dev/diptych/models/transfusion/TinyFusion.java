package dev.diptych.models.transfusion;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.TensorSpec;
import dev.diptych.testing.Golden;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Predicate;

/**
 * Checkpoints made of the tiny LLaVAFusion: itself, the LMFusion in it, and the Transfusion that the
 * words' weights of that are. Picture coder, tokenizer and scheduler are the tiny Transfusion's.
 */
final class TinyFusion {
  private static final Path SOURCE = Golden.folder("lmfusion/llava");
  private static final List<String> SHARED =
      List.of(
          "vae/config.json",
          "vae/diffusion_pytorch_model.safetensors",
          "scheduler/scheduler_config.json",
          "generation_config.json",
          "tokenizer.json",
          "tokenizer_config.json");

  private TinyFusion() {}

  /** {@return a folder with the whole: words, pictures, and what reads pictures} */
  static Path llavaFusion(Path parent) {
    return make(parent.resolve("llavafusion"), name -> true);
  }

  /** {@return a folder with words' and pictures' weights} */
  static Path lmFusion(Path parent) {
    Path folder = make(parent.resolve("lmfusion"), name -> !reads(name));
    return withoutVision(folder);
  }

  /** {@return a folder of one set of weights: the words'} */
  static Path plain(Path parent) {
    Path folder =
        make(parent.resolve("transfusion"), name -> !reads(name) && !name.contains("_image."));
    return TinyTransfusion.json(
        withoutVision(folder),
        "config.json",
        config -> config.addProperty("model_type", "transfusion"));
  }

  static TransfusionModel load(Path folder) {
    return TransfusionModel.load(folder, TinyTransfusion.FLOAT32);
  }

  static JsonObject facts() {
    return Golden.facts("lmfusion/llava");
  }

  private static boolean reads(String name) {
    return name.startsWith("vision_tower.") || name.startsWith("multi_modal_projector.");
  }

  private static Path withoutVision(Path folder) {
    return TinyTransfusion.json(folder, "config.json", config -> config.remove("vision_config"));
  }

  private static Path make(Path folder, Predicate<String> kept) {
    try {
      for (String file : SHARED) {
        Files.createDirectories(folder.resolve(file).getParent());
        Files.copy(TinyTransfusion.folder("linear").resolve(file), folder.resolve(file));
      }
      for (String file : List.of("config.json", "preprocessor_config.json")) {
        Files.copy(SOURCE.resolve(file), folder.resolve(file));
      }
      write(folder.resolve("model.safetensors"), kept);
      return folder;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Writes some of the tensors, bytes as they are. */
  private static void write(Path file, Predicate<String> kept) throws IOException {
    JsonObject header = new JsonObject();
    ByteArrayOutputStream data = new ByteArrayOutputStream();
    try (Checkpoint checkpoint = Checkpoint.openFile(SOURCE.resolve("model.safetensors"))) {
      for (String name : checkpoint.names().stream().filter(kept).toList()) {
        TensorSpec spec = checkpoint.spec(name);
        ByteBuffer bytes = checkpoint.read(name);
        byte[] array = new byte[bytes.remaining()];
        bytes.get(array);
        JsonObject entry = new JsonObject();
        entry.addProperty("dtype", spec.type().name());
        JsonArray shape = new JsonArray();
        spec.shape().forEach(shape::add);
        entry.add("shape", shape);
        JsonArray offsets = new JsonArray();
        offsets.add(data.size());
        data.write(array);
        offsets.add(data.size());
        entry.add("data_offsets", offsets);
        header.add(name, entry);
      }
    }
    byte[] utf8 = header.toString().getBytes(StandardCharsets.UTF_8);
    ByteBuffer all =
        ByteBuffer.allocate(8 + utf8.length + data.size()).order(ByteOrder.LITTLE_ENDIAN);
    Files.write(file, all.putLong(utf8.length).put(utf8).put(data.toByteArray()).array());
  }
}
