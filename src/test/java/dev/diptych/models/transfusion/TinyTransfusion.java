package dev.diptych.models.transfusion;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.diptych.core.DType;
import dev.diptych.core.Image;
import dev.diptych.core.LoadOptions;
import dev.diptych.models.denoising.Denoiser;
import dev.diptych.testing.Golden;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** The tiny checkpoints and copies of them that a test changes in one place. */
final class TinyTransfusion {
  static final LoadOptions FLOAT32 = LoadOptions.DEFAULT.withDtype(DType.FLOAT32);
  static final int CHANNELS = 4;
  static final int SIZE = 4;
  static final int ELEMENTS = CHANNELS * SIZE * SIZE;

  private TinyTransfusion() {}

  static Path folder(String name) {
    return Golden.folder("transfusion/" + name);
  }

  static TransfusionModel load(String name) {
    return TransfusionModel.load(folder(name), FLOAT32);
  }

  /** {@return a copy of a checkpoint without what the reference computed} */
  static Path copy(String name, Path parent) {
    Path target = parent.resolve(name);
    try (Stream<Path> files = Files.walk(folder(name))) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        Path to = target.resolve(folder(name).relativize(file).toString());
        Files.createDirectories(to.getParent());
        Files.deleteIfExists(to);
        Files.copy(file, to);
      }
      return target;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Changes a JSON file. */
  static Path json(Path folder, String file, Consumer<JsonObject> change) {
    try {
      Path at = folder.resolve(file);
      JsonObject json = JsonParser.parseString(Files.readString(at)).getAsJsonObject();
      change.accept(json);
      Files.writeString(at, json.toString());
      return folder;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** {@return a copy of a checkpoint with the scheduler of another} */
  static Path withScheduler(String name, String scheduler, Path parent) {
    Path folder = copy(name, parent);
    try {
      Path file = folder("schedulers").resolve(scheduler + ".json");
      Files.writeString(
          folder.resolve("scheduler/scheduler_config.json"), Files.readString(file));
      return folder;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** {@return the reference's noise: of the first picture, or of the second} */
  static Denoiser.Noise noise(Golden golden) {
    float[] all = golden.floats("noise");
    int draws = all.length / 2 / ELEMENTS;
    return (picture, draw, count) -> {
      int from = (picture * draws + draw) * ELEMENTS;
      return Arrays.copyOfRange(all, from, from + count);
    };
  }

  static Image image(Golden golden, String name) {
    long[] shape = golden.shape(name);
    return Image.of((int) shape[1], (int) shape[0], golden.bytes(name));
  }

  static List<Integer> ids(JsonArray array) {
    return IntStream.range(0, array.size()).mapToObj(i -> array.get(i).getAsInt()).toList();
  }
}
