package dev.diptych.core.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.ResourceLimitException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MemoryTest {
  @TempDir Path root;

  @ParameterizedTest
  @CsvSource({"1000, 0, 1000", "1000, 400, 600", "1000, 1000, 0", "1000, 5000, 0"})
  void aLimitIsSharedWithWhatIsHeld(long limit, long held, long allowed) {
    Memory.require("a cache", allowed, OptionalLong.of(limit), held);

    assertThatThrownBy(() -> Memory.require("a cache", allowed + 1, OptionalLong.of(limit), held))
        .isInstanceOfSatisfying(
            ResourceLimitException.class,
            e -> {
              assertThat(e.asked()).isEqualTo(allowed + 1);
              assertThat(e.allowed()).isEqualTo(allowed);
            })
        .hasMessageContaining("a cache");
  }

  /** What a container has read of files counts as taken, and is given back when it is needed. */
  @ParameterizedTest
  @CsvSource({
    "9000000000, max, 5000000000000, 9216000000000",
    "9000000000, 8000000000000, 5000000000000, 3700000000000",
    "2000000000, 8000000000000, 5000000000000, 2048000000000",
    "9000000000, 1000000000000, 5000000000000, 0"
  })
  void theSystemAndItsContainerBothHaveASay(
      long system, String limit, long used, long available) throws IOException {
    Path group = Files.createDirectories(root.resolve("sys/fs/cgroup"));
    Files.createDirectories(root.resolve("proc"));
    Files.writeString(
        root.resolve("proc/meminfo"), "MemFree: 1 kB\nMemAvailable: " + system + " kB\n");
    Files.writeString(group.resolve("memory.max"), limit + "\n");
    Files.writeString(group.resolve("memory.current"), used + "\n");
    Files.writeString(
        group.resolve("memory.stat"),
        "anon 1\nfile 900000000000\ninactive_anon 2\nactive_anon 3\n"
            + "inactive_file 500000000000\nactive_file 200000000000\nunevictable 4\n");

    assertThat(Memory.available(root, () -> 0))
        .isEqualTo(Math.max(0, available - Memory.held()));
  }

  @Test
  void whereNothingTellsTheSystemIsAsked() {
    long free = 1L << 50;

    assertThat(Memory.available(root.resolve("nowhere"), () -> free))
        .isEqualTo(free - Memory.held());
  }

  @Test
  void withoutALimitTheMachineDecidesWhateverIsHeld() {
    Memory.require("a cache", 1, OptionalLong.empty(), Long.MAX_VALUE);

    assertThatThrownBy(
            () -> Memory.require("a cache", Long.MAX_VALUE, OptionalLong.empty(), 0))
        .isInstanceOf(ResourceLimitException.class);
  }
}
