package dev.diptych.core.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.DType;
import dev.diptych.core.DeviceChoice;
import dev.diptych.core.engine.WeightLoader.Slice.Piece;
import dev.diptych.core.engine.WeightLoader.Slice;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.testing.Safetensors;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class WeightLoaderTest {
  private static final float[] VALUES = {1, 2, 3, 4, 5, 6, -0.5f, 0.25f, 7, 8, -2, 3, 9, 4, 5, 6};

  @TempDir Path folder;

  @ParameterizedTest
  @EnumSource(names = {"FLOAT32", "BFLOAT16"})
  void loadsEveryStoredTypeFromOddOffsets(DType dtype) throws IOException {
    float code = dtype == DType.FLOAT32 ? 6 : 15;

    float[] read = load(dtype, 1);

    assertThat(read).hasSize(VALUES.length + 7);
    assertThat(read).startsWith(VALUES);
    assertThat(read).endsWith(code, code, code, code, code, code, code);
  }

  @Test
  void loadsTheSameFromEvenOffsets() throws IOException {
    assertThat(load(DType.FLOAT32, 4)).isEqualTo(load(DType.FLOAT32, 1));
  }

  @ParameterizedTest
  @EnumSource(names = {"FLOAT32", "BFLOAT16"})
  void joinsPiecesOfSeveralTensorsAsRowsAndAsColumns(DType dtype) throws IOException {
    Slice rows =
        new Slice(
            List.of(new Piece("f32", 1, 1), new Piece("f32", 0, 2), new Piece("f64", 0, 2)),
            0,
            List.of(11L));
    Slice columns =
        new Slice(
            List.of(new Piece("f32", 0, 2), new Piece("bf16", 0, 2), new Piece("f32", 0, 2)),
            1,
            List.of(2L, 7L));

    assertThat(join(dtype, rows)).containsExactly(4, 5, 6, 1, 2, 3, 4, 5, 6, -0.5f, 0.25f);
    assertThat(join(dtype, columns))
        .containsExactly(1, 2, 3, -2, 1, 2, 3, 4, 5, 6, 3, 4, 5, 6);
  }

  /** Pieces are read a few rows at a time: more than one buffer holds. */
  @Test
  void joinsPiecesThatAreLargerThanTheBuffer() throws IOException {
    int side = 2100;
    float[] numbers = new float[side * side];
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = i;
    }
    Path file = square("F32", side, Safetensors.floats(numbers));
    Piece whole = new Piece("x", 0, side);

    float[] columns =
        join(DType.FLOAT32, new Slice(List.of(whole, whole), 1, List.of((long) side, 2L * side)), file);

    assertThat(columns).hasSize(2 * side * side);
    for (int i = 0; i < columns.length; i += 997) {
      assertThat(columns[i]).isEqualTo(i / (2 * side) * side + i % side);
    }
  }

  /** Tensors of the model's own dtype are read by several threads, in pieces of one size. */
  @Test
  void readsPiecesStraightIntoTheirPlaces() throws IOException {
    int side = 2200;
    Path file = halves(side);
    Piece whole = new Piece("x", 0, side);
    Piece end = new Piece("x", side - 3, 3);

    float[] rows =
        join(
            DType.BFLOAT16,
            new Slice(List.of(end, whole, end), 0, List.of(side + 6L, (long) side)),
            file);

    assertThat(rows).hasSize((side + 6) * side);
    for (int i = 0; i < rows.length; i++) {
      int row = i / side;
      int stored = row < 3 ? side - 3 + row : row < side + 3 ? row - 3 : row - 6;
      int expected = (stored * side + i % side) % 251;
      if (rows[i] != expected) {
        assertThat(rows[i]).as("number %d", i).isEqualTo(expected);
      }
    }
  }

  @Test
  void refusesAFileThatIsCutBeforeItIsRead() throws IOException {
    Path file = halves(2200);
    try (Checkpoint checkpoint = Checkpoint.openFile(file);
        TorchDevice device = TorchDevice.open(DeviceChoice.CPU)) {
      Map<String, Slice> slices = Map.of("joined", Slice.of(checkpoint.spec("x")));
      long live = Value.live();
      try (RandomAccessFile cut = new RandomAccessFile(file.toFile(), "rw")) {
        cut.setLength(6 << 20);
      }

      assertThatThrownBy(() -> WeightLoader.load(device, checkpoint, slices, DType.BFLOAT16))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("it was cut while in use");
      assertThat(Value.live()).isEqualTo(live);
    }
  }

  @Test
  void readsOnWhenItsThreadIsInterrupted() throws IOException {
    try (Scope scope = new Scope();
        Checkpoint checkpoint = Checkpoint.openFile(halves(40))) {
      TorchDevice device = scope.add(TorchDevice.open(DeviceChoice.CPU));
      TorchScript script = scope.add(TorchScript.load(device, WeightReading.class, List.of()));
      Map<String, Slice> slices = Map.of("joined", new Slice("x", 1, List.of(39L, 40L)));
      Thread.currentThread().interrupt();
      Value weights = scope.add(WeightLoader.load(device, checkpoint, slices, DType.BFLOAT16));
      boolean kept = Thread.interrupted();

      assertThat(kept).isTrue();
      assertThat(scope.add(script.call("one", weights)).toFloats())
          .startsWith(40, 41, 42)
          .endsWith(1599 % 251);
    }
  }

  /** A square of bfloat16 integers that count to 250 again and again. */
  private Path halves(int side) {
    short[] numbers = new short[side * side];
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = (short) (Float.floatToRawIntBits(i % 251) >>> 16);
    }
    return square("BF16", side, Safetensors.shorts(numbers));
  }

  private Path square(String type, int side, byte[] data) {
    String entry =
        Safetensors.entry("x", type, "[" + side + "," + side + "]", "[0," + data.length + "]");
    return Safetensors.write(folder.resolve(type + ".safetensors"), "{" + entry + "}", data);
  }

  private float[] join(DType dtype, Slice slice) throws IOException {
    return join(dtype, slice, file(1));
  }

  private float[] join(DType dtype, Slice slice, Path file) {
    try (Scope scope = new Scope();
        Checkpoint checkpoint = Checkpoint.openFile(file)) {
      TorchDevice device = scope.add(TorchDevice.open(DeviceChoice.CPU));
      Value weights =
          scope.add(WeightLoader.load(device, checkpoint, Map.of("joined", slice), dtype));
      TorchScript script = scope.add(TorchScript.load(device, WeightReading.class, List.of()));
      return device.floats(scope.add(script.call("one", weights)));
    }
  }

  private float[] load(DType dtype, int padding) throws IOException {
    try (Scope scope = new Scope();
        Checkpoint checkpoint = Checkpoint.openFile(file(padding))) {
      TorchDevice device = scope.add(TorchDevice.open(DeviceChoice.CPU));
      Map<String, Slice> slices = new LinkedHashMap<>();
      for (String name : List.of("f32", "f64", "f16", "bf16", "scalar", "empty")) {
        slices.put(name, Slice.of(checkpoint.spec(name)));
      }
      slices.put("rows", new Slice("f32", 1, List.of(1L, 3L)));
      Value weights = scope.add(WeightLoader.load(device, checkpoint, slices, dtype));
      TorchScript script = scope.add(TorchScript.load(device, WeightReading.class, List.of()));
      return device.floats(scope.add(script.call("read", weights)));
    }
  }

  /** A pad of so many bytes, then tensors one after the other. */
  private Path file(int padding) throws IOException {
    ByteBuffer data = ByteBuffer.allocate(200).order(ByteOrder.LITTLE_ENDIAN);
    StringBuilder header = new StringBuilder("{");
    data.put(new byte[padding]);
    entry(header, "pad", "I8", "[" + padding + "]", 0, padding);
    int begin = data.position();
    data.putFloat(1).putFloat(2).putFloat(3).putFloat(4).putFloat(5).putFloat(6);
    begin = entry(header, "f32", "F32", "[2,3]", begin, data.position());
    data.putDouble(-0.5).putDouble(0.25);
    begin = entry(header, "f64", "F64", "[2]", begin, data.position());
    data.putShort((short) 0x4700).putShort((short) 0x4800);
    begin = entry(header, "f16", "F16", "[1,2]", begin, data.position());
    data.putShort((short) 0xc000).putShort((short) 0x4040);
    begin = entry(header, "bf16", "BF16", "[2,1]", begin, data.position());
    data.putFloat(9);
    begin = entry(header, "scalar", "F32", "[]", begin, data.position());
    entry(header, "empty", "F32", "[0,3]", begin, begin);
    header.setCharAt(header.length() - 1, '}');

    byte[] json = header.toString().getBytes(StandardCharsets.UTF_8);
    // the header's length decides with the pad whether the data are aligned
    byte[] spaces = " ".repeat(Math.floorMod(-json.length, 8)).getBytes(StandardCharsets.UTF_8);
    ByteBuffer all =
        ByteBuffer.allocate(8 + json.length + spaces.length + data.position())
            .order(ByteOrder.LITTLE_ENDIAN);
    all.putLong(json.length + spaces.length).put(json).put(spaces).put(data.flip());
    return Files.write(folder.resolve("pad-" + padding + ".safetensors"), all.array());
  }

  private static int entry(
      StringBuilder header, String name, String type, String shape, int begin, int end) {
    header.append('"').append(name).append("\":{\"dtype\":\"").append(type)
        .append("\",\"shape\":").append(shape).append(",\"data_offsets\":[")
        .append(begin).append(',').append(end).append("]},");
    return end;
  }
}
