package dev.diptych.models.monoformer;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.diptych.core.DType;
import dev.diptych.core.DeviceChoice;
import dev.diptych.core.LoadOptions;
import dev.diptych.testing.Golden;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import java.util.stream.Stream;

/** A copy of one of the tiny random checkpoints, for tests that change it. */
record MonoFormerFolder(Path path) {
  static final Path VAE = Golden.folder("monoformer/vae");
  static final LoadOptions FLOAT32 =
      LoadOptions.DEFAULT
          .withDtype(DType.FLOAT32)
          .withDevice(DeviceChoice.CPU)
          .withImageCoder(VAE);

  /** {@return a checkpoint as it lies there, with the picture coder from elsewhere} */
  static MonoFormerModel load(String variant) {
    return MonoFormerModel.load(Golden.folder("monoformer/" + variant), FLOAT32);
  }

  static MonoFormerFolder copy(Path parent, String variant) {
    Path to = parent.resolve(variant);
    copyAll(Golden.folder("monoformer/" + variant), to);
    return new MonoFormerFolder(to);
  }

  /** Puts the picture coder where the library looks for it. */
  MonoFormerFolder withCoder() {
    copyAll(VAE, path.resolve("vae"));
    return this;
  }

  /** Changes a JSON file. */
  MonoFormerFolder edit(String file, Consumer<JsonObject> change) {
    try {
      JsonObject json = JsonParser.parseString(Files.readString(path.resolve(file))).getAsJsonObject();
      change.accept(json);
      Files.writeString(path.resolve(file), json.toString());
      return this;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void copyAll(Path from, Path to) {
    try (Stream<Path> files = Files.walk(from)) {
      for (Path file : files.toList()) {
        Path target = to.resolve(from.relativize(file).toString());
        if (Files.isDirectory(file)) {
          Files.createDirectories(target);
        } else {
          Files.copy(file, target);
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
