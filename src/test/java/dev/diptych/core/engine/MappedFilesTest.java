package dev.diptych.core.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.DType;
import dev.diptych.core.DeviceChoice;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.WeightMemory;
import dev.diptych.core.engine.WeightLoader.Slice;
import dev.diptych.core.weights.Checkpoint;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class MappedFilesTest {
  private static final long COLUMNS = 1024;

  @TempDir Path folder;

  /** Who writes into the file of a loaded model changes the model: there is one copy of it. */
  @ParameterizedTest
  @CsvSource({
    "FLOAT32, F32, MAPPED, 5", "FLOAT32, F32, COPIED, 0", "BFLOAT16, BF16, MAPPED, 5",
    "BFLOAT16, BF16, COPIED, 0", "BFLOAT16, BF16, PACKED, 0", "FLOAT32, BF16, MAPPED, 0",
    "INT8, BF16, MAPPED, 5"
  })
  void aTensorOfTheModelsOwnDtypeLiesInItsFile(
      DType dtype, String stored, WeightMemory memory, float seen) throws IOException {
    Path file = file(stored, 3);
    LoadOptions options = LoadOptions.DEFAULT.withWeightMemory(memory);
    try (Scope scope = new Scope();
        Checkpoint checkpoint = Checkpoint.openFile(file)) {
      Loaded loaded = new Loaded(scope, checkpoint, options.withDevice(DeviceChoice.CPU), dtype);
      assertThat(loaded.numbers()).hasSize((int) (3 * COLUMNS)).containsOnly(0);

      write(file, stored, 5);

      assertThat(loaded.numbers()[(int) (3 * COLUMNS) - 1]).isEqualTo(seen);
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"FLOAT32", "BFLOAT16"})
  void whatAScriptWritesDoesNotReachTheFile(DType dtype) throws IOException {
    Path file = file(dtype == DType.FLOAT32 ? "F32" : "BF16", 3);
    byte[] before = Files.readAllBytes(file);
    try (Scope scope = new Scope();
        Checkpoint checkpoint = Checkpoint.openFile(file)) {
      Loaded loaded = new Loaded(scope, checkpoint, LoadOptions.DEFAULT, dtype);

      scope.add(loaded.script.call("overwrite", loaded.weights));

      assertThat(loaded.numbers()).containsOnly(7);
      assertThat(Files.readAllBytes(file)).isEqualTo(before);
    }
  }

  @Test
  void aTensorBeyondTwoGibibytesLiesInItsFileToo() throws IOException {
    long rows = (1L << 31) / (2 * COLUMNS) + 2;
    Path file = file("BF16", rows);
    write(file, "BF16", 6);
    try (Scope scope = new Scope();
        Checkpoint checkpoint = Checkpoint.openFile(file)) {
      Slice end = new Slice("x", rows - 1, List.of(1L, COLUMNS));
      Loaded loaded = new Loaded(scope, checkpoint, LoadOptions.DEFAULT, DType.BFLOAT16, end);

      assertThat(loaded.numbers()).startsWith(0, 0, 0).endsWith(0, 0, 6);
    }
  }

  @Test
  void aFileThatWasReplacedIsNotTakenForTheOneThatWasOpened() throws IOException {
    Path file = file("BF16", 3);
    try (TorchDevice device = TorchDevice.open(DeviceChoice.CPU);
        Checkpoint checkpoint = Checkpoint.openFile(file)) {
      Path other = Files.copy(file, folder.resolve("other"));
      Files.move(other, file, StandardCopyOption.REPLACE_EXISTING);
      Map<String, Slice> slices = Map.of("joined", Slice.of(checkpoint.spec("x")));
      long live = Value.live();

      assertThatThrownBy(() -> WeightLoader.load(device, checkpoint, slices, DType.BFLOAT16))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("was replaced while in use");
      assertThat(Value.live()).isEqualTo(live);
    }
  }

  /** A drive that fails should be told of while the model is loaded, not by a signal later. */
  @Test
  void whatTheSystemDoesNotHaveInMemoryIsReadOnce() throws IOException {
    Path file = file("BF16", 9000);
    Slice all = new Slice("x", 0, List.of(9000L, COLUMNS));

    // What was looked at of the file, and what a system reads ahead of it, is in memory already.
    assertThat(fetched(file, all))
        .isBetween(9000 * COLUMNS * 2L - (8 << 20), 9000 * COLUMNS * 2L);
    assertThat(fetched(Files.write(folder.resolve("warm"), Files.readAllBytes(file)), all)).isZero();
  }

  /** Neither the system nor its containers count pages of files as taken. */
  @Test
  void whatLiesInFilesIsNotToBeHadForRequests() throws IOException {
    Files.createDirectories(folder.resolve("proc"));
    Files.writeString(
        folder.resolve("proc/meminfo"), "MemFree: 2 kB\nMemAvailable:   9000000000 kB\nCached: 7 kB\n");
    try (Scope scope = new Scope();
        Checkpoint checkpoint = Checkpoint.openFile(file("BF16", 3))) {
      long before = Memory.available(folder, () -> 0);
      Loaded loaded = new Loaded(scope, checkpoint, LoadOptions.DEFAULT, DType.BFLOAT16);

      assertThat(Memory.available(folder, () -> 0)).isEqualTo(before - 3 * COLUMNS * 2);

      loaded.weights.close();
      loaded.weights.close();
      assertThat(Memory.available(folder, () -> 0)).isEqualTo(before);
    }
  }

  private static long fetched(Path file, Slice slice) {
    try (Scope scope = new Scope();
        Checkpoint checkpoint = Checkpoint.openFile(file);
        DirectReads reads = new DirectReads()) {
      TorchDevice device = scope.add(TorchDevice.open(DeviceChoice.CPU));
      TorchScript script = scope.add(TorchScript.load(device, WeightLoader.class, List.of()));
      MappedFiles mapped = scope.add(new MappedFiles(device, script, checkpoint, reads));
      scope.add(mapped.tensor(slice, WeightLoader.code(DType.BFLOAT16)));
      reads.finish();
      return mapped.fetched();
    }
  }

  /** Weights of one tensor, {@code joined}, and the script that gives its numbers back. */
  private static final class Loaded {
    final TorchDevice device;
    final TorchScript script;
    final Value weights;

    Loaded(Scope scope, Checkpoint checkpoint, LoadOptions options, DType dtype) {
      this(scope, checkpoint, options, dtype, Slice.of(checkpoint.spec("x")));
    }

    Loaded(Scope scope, Checkpoint checkpoint, LoadOptions options, DType dtype, Slice slice) {
      device = scope.add(TorchDevice.open(options));
      weights =
          scope.add(WeightLoader.load(device, checkpoint, Map.of("joined", slice), dtype));
      script = scope.add(TorchScript.load(device, WeightReading.class, List.of()));
    }

    float[] numbers() {
      try (Value one = script.call("one", weights)) {
        return device.floats(one);
      }
    }
  }

  /** A matrix of zeros; the file is a hole, of which nothing is in memory. */
  private Path file(String stored, long rows) throws IOException {
    long bytes = rows * COLUMNS * width(stored);
    String header =
        "{\"x\":{\"dtype\":\"" + stored + "\",\"shape\":[" + rows + "," + COLUMNS
            + "],\"data_offsets\":[0," + bytes + "]}}";
    byte[] json = (header + " ".repeat(-header.length() & 7)).getBytes(StandardCharsets.UTF_8);
    Path file = folder.resolve(stored + "-" + rows + ".safetensors");
    try (RandomAccessFile hole = new RandomAccessFile(file.toFile(), "rw")) {
      hole.writeLong(Long.reverseBytes(json.length));
      hole.write(json);
      hole.setLength(8 + json.length + bytes);
    }
    return file;
  }

  /** Replaces the last number. */
  private static void write(Path file, String stored, float number) throws IOException {
    ByteBuffer bits = ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putFloat(number);
    try (RandomAccessFile open = new RandomAccessFile(file.toFile(), "rw")) {
      open.seek(open.length() - width(stored));
      open.write(bits.array(), 4 - width(stored), width(stored));
    }
  }

  private static int width(String stored) {
    return stored.equals("F32") ? 4 : 2;
  }
}
