package dev.diptych.core.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.management.ThreadMXBean;
import dev.diptych.core.CheckpointException;
import dev.diptych.testing.Safetensors;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Safetensors files that are cut, lie about sizes, or try to exhaust the reader. */
@Timeout(30)
class SafetensorsHostileTest {
  @TempDir Path folder;

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 7})
  void refusesAFileShorterThanTheHeaderLength(int bytes) {
    assertRefused(write(new byte[bytes]), "too short: " + bytes + " bytes");
  }

  @Test
  void refusesAFileThatIsNothingButAHeaderLength() {
    assertRefused(write(new byte[8]), "header of 0 bytes");
    assertRefused(header(1, ""), "header of 1 bytes", "only 0 bytes follow");
  }

  @ParameterizedTest
  @CsvSource({
    "-9223372036854775808, 9223372036854775808",
    "-1, 18446744073709551615",
    "100000001, 100000001",
    "33554433, 33554433",
  })
  void refusesAHeaderLengthBeyondTheLimit(long length, String shown) {
    assertRefused(header(length, "{}"), "a header of " + shown + " bytes", "at most 33554432");
  }

  @Test
  void refusesAHeaderLongerThanTheFile() {
    assertRefused(header(3, "{}"), "a header of 3 bytes", "only 2 bytes follow");
    assertRefused(header(33_554_432, "{}"), "a header of 33554432 bytes", "only 2 bytes follow");
  }

  @Test
  void allocatesNothingForAHeaderLengthThatLies() {
    Path file = header(33_554_432, "{}");
    refuse(file);
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    long before = threads.getThreadAllocatedBytes(Thread.currentThread().getId());
    refuse(file);
    long after = threads.getThreadAllocatedBytes(Thread.currentThread().getId());

    assertThat(after - before).isLessThan(1 << 20);
  }

  @ParameterizedTest
  @ValueSource(strings = {"[]", "\"{}\"", "null", "1", "\u0000{}", "x", "{}{}", "{}x"})
  void refusesAHeaderThatIsNotOneObject(String header) {
    assertThatThrownBy(() -> Checkpoint.openFile(Safetensors.write(file(), header, 0)))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("x.safetensors");
  }

  @Test
  void refusesAHeaderThatIsNotUtf8() {
    byte[] header = "{\"a\u00ff\":1}".getBytes(StandardCharsets.ISO_8859_1);

    assertRefused(
        Safetensors.write(file(), header.length, header, new byte[0]), "is not UTF-8 text");
  }

  @ParameterizedTest
  @ValueSource(strings = {"[", "{\"a\":", "{\"__metadata__\":["})
  void refusesAHeaderNestedAHundredThousandLevelsDeep(String level) {
    Path file = Safetensors.write(file(), "{\"x\":" + level.repeat(100_000), 0);

    assertRefusedWithinASecond(file, "nested more than 64 levels deep");
  }

  @Test
  void refusesAMillionTensors() {
    StringBuilder header = new StringBuilder("{");
    for (int i = 0; i < 1_000_000; i++) {
      header.append(i == 0 ? "\"" : ",\"").append(Integer.toString(i, 36)).append("\":{}");
    }
    Path file = Safetensors.write(file(), header.append("}").toString(), 0);

    assertRefusedWithinASecond(file, "has more than 100000 entries");
  }

  @Test
  void refusesAHeaderOfTooManyValues() {
    Path file = Safetensors.write(file(), "{\"a\":[" + "0,".repeat(5_000_000) + "0]}", 0);

    assertRefusedWithinASecond(file, "more than 2000000 values");
  }

  @Test
  void refusesADuplicateTensorAndADuplicateField() {
    String entry = Safetensors.entry("a", "I8", "[2]", "[0,2]");

    assertHeaderRefused("{" + entry + "," + entry + "}", 2, "duplicate key: a");
    assertHeaderRefused(
        "{" + entry.replace("\"dtype\"", "\"shape\":[2],\"dtype\"") + "}", 2,
        "duplicate key: shape");
    assertHeaderRefused(
        "{" + entry + "," + entry.replace("\"a\"", "\"\\u0061\"") + "}", 2, "duplicate key: a");
  }

  @Test
  void refusesDataThatOverlapLeaveAHoleOrEndElsewhere() {
    assertHeaderRefused(two("[0,5]", "[3,8]"), 8, "b begin at byte 3", "overlap");
    assertHeaderRefused(two("[0,3]", "[4,9]"), 9, "b begin at byte 4; expected 3 (a hole)");
    assertHeaderRefused(two("[1,4]", "[4,9]"), 9, "a begin at byte 1; expected 0 (a hole)");
    assertHeaderRefused(two("[0,3]", "[3,8]"), 9, "1 trailing bytes");
    assertHeaderRefused(two("[0,3]", "[3,8]"), 7, "b end at byte 8", "only 7 bytes");
    assertHeaderRefused("{}", 1, "1 trailing bytes");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "[8,0]", "[-8,0]", "[0,-8]", "[0.0,8]", "[0,8.5]", "[0,8e0]", "[0,1e3]", "[\"0\",8]",
        "[0]", "[0,4,8]", "[]", "[null,8]", "[0,9223372036854775808]", "[[0],8]", "[true,8]"
      })
  void refusesOffsetsThatAreNoRange(String offsets) {
    assertHeaderRefused(
        "{" + Safetensors.entry("model.w", "F32", "[2]", offsets) + "}", 8,
        "tensor model.w has", "data_offsets");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "[4294967296,4294967296]", "[4611686018427387904,4]", "[9223372036854775807,2]",
        "[2305843009213693952]", "[65536,65536,65536,65536]"
      })
  void refusesAShapeWhoseProductWrapsAround(String shape) {
    assertHeaderRefused(
        "{" + Safetensors.entry("w", "F32", shape, "[0,0]") + "}", 0, "tensor w", "overflow");
  }

  @Test
  void refusesASizeThatIsNotShapeTimesType() {
    assertHeaderRefused(
        "{" + Safetensors.entry("w", "F32", "[3]", "[0,8]") + "}", 8,
        "tensor w is F32 of shape [3], so 12 bytes", "hold 8");
    assertHeaderRefused(
        "{" + Safetensors.entry("w", "F32", "[0]", "[0,8]") + "}", 8, "so 0 bytes");
  }

  @ParameterizedTest
  @ValueSource(strings = {"F31", "f32", "float32", "F4", "I128", "", "F32\\n"})
  void refusesAnUnknownType(String dtype) {
    assertHeaderRefused(
        "{" + Safetensors.entry("w", dtype, "[2]", "[0,8]") + "}", 8,
        "tensor w has dtype", "expected one of [F64, F32");
  }

  @Test
  void refusesEntriesWithoutTheirFields() {
    assertHeaderRefused("{\"w\":1}", 0, "tensor w is not an object");
    assertHeaderRefused("{\"w\":{}}", 0, "tensor w has no dtype");
    assertHeaderRefused("{\"w\":{\"dtype\":\"I8\"}}", 0, "tensor w has no shape");
    assertHeaderRefused(
        "{\"w\":{\"dtype\":\"I8\",\"shape\":[]}}", 0, "tensor w has no data_offsets");
    assertHeaderRefused(
        "{" + Safetensors.entry("w", "I8", "[1" + ",1".repeat(64) + "]", "[0,1]") + "}", 1,
        "tensor w has 65 dimensions");
  }

  @Test
  void readsNoMetadataButStrings() {
    assertHeaderRefused("{\"__metadata__\":{\"k\":1}}", 0, "__metadata__ must map strings");
    assertHeaderRefused("{\"__metadata__\":{\"k\":null}}", 0, "__metadata__ must map strings");
    assertHeaderRefused("{\"__metadata__\":[]}", 0, "__metadata__ must map strings");
    try (Checkpoint empty = Checkpoint.openFile(Safetensors.write(file(), "{}", 0))) {
      assertThat(empty.names()).isEmpty();
    }
  }

  @Test
  void refusesFiftyMegabytesOfMetadata() {
    String header = "{\"__metadata__\":{\"k\":\"" + "x".repeat(50_000_000) + "\"}}";

    assertRefusedWithinASecond(Safetensors.write(file(), header, 0), "at most 33554432 are read");
  }

  @Test
  void namesWhatAFailedDownloadLeft() {
    String pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 4096\n";

    assertRefused(
        write(pointer.getBytes(StandardCharsets.UTF_8)), "Git LFS pointer", "git lfs pull");
    for (String page : List.of("<!DOCTYPE html><html>", "\n <HTML>", "<?xml version='1.0'?>")) {
      assertRefused(
          write(page.getBytes(StandardCharsets.UTF_8)), "web page", "download the file again");
    }
  }

  @Test
  void refusesEveryTruncationOfAFile() throws Exception {
    Path whole = Safetensors.write(file(), two("[0,3]", "[3,8]"), 8);
    byte[] bytes = Files.readAllBytes(whole);
    for (int length = 0; length < bytes.length; length++) {
      Path cut = write(Arrays.copyOf(bytes, length));

      assertThatThrownBy(() -> Checkpoint.openFile(cut)).isInstanceOf(CheckpointException.class);
    }
  }

  @Test
  void putsNamesIntoMessagesShortAndWithoutControlCharacters() {
    String name = "a\\n\\u001b[31m" + "x".repeat(100_000);

    assertThatThrownBy(
            () -> Checkpoint.openFile(Safetensors.write(file(), "{\"" + name + "\":1}", 0)))
        .isInstanceOf(CheckpointException.class)
        .satisfies(e -> assertThat(e.getMessage())
            .hasSizeLessThan(400)
            .contains("a\\u000a\\u001b[31mx")
            .contains("100007 characters")
            .doesNotContain("\n", "\u001b"));
  }

  private Path file() {
    return folder.resolve("x.safetensors");
  }

  private Path write(byte[] bytes) {
    return Safetensors.write(file(), bytes);
  }

  private Path header(long length, String header) {
    return Safetensors.write(
        file(), length, header.getBytes(StandardCharsets.UTF_8), new byte[0]);
  }

  private static String two(String first, String second) {
    return "{" + Safetensors.entry("a", "I8", "[" + size(first) + "]", first) + ","
        + Safetensors.entry("b", "I8", "[" + size(second) + "]", second) + "}";
  }

  private static int size(String offsets) {
    String[] numbers = offsets.substring(1, offsets.length() - 1).split(",");
    return Integer.parseInt(numbers[1]) - Integer.parseInt(numbers[0]);
  }

  private void assertHeaderRefused(String header, int dataBytes, String... reasons) {
    assertRefused(Safetensors.write(file(), header, dataBytes), reasons);
  }

  private static void assertRefused(Path file, String... reasons) {
    assertThatThrownBy(() -> Checkpoint.openFile(file))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("x.safetensors")
        .hasMessageContainingAll(reasons);
  }

  /** A second of processor time: the wall clock of a busy machine says nothing. */
  private static void assertRefusedWithinASecond(Path file, String reason) {
    long before = cpuNanos();
    assertRefused(file, reason);
    assertThat(Duration.ofNanos(cpuNanos() - before)).isLessThan(Duration.ofSeconds(1));
  }

  private static long cpuNanos() {
    return ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
  }

  private static void refuse(Path file) {
    try (Checkpoint opened = Checkpoint.openFile(file)) {
      throw new AssertionError("accepted " + opened.location());
    } catch (CheckpointException expected) {
      assertThat(expected).hasMessageContaining("header");
    }
  }
}
