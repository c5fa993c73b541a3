package dev.diptych.core.engine;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/**
 * How many processors' time this process gets, where that is less than it may run on. A container's
 * quota is such a limit: the JVM knows it, native libraries start a thread for every processor they
 * see, and threads that wait busily for each other then use the time up. So it is told to them.
 */
final class CpuQuota {
  private CpuQuota() {}

  /**
   * {@return so many processors' time, as the JVM rounds it ({@code -XX:ActiveProcessorCount} counts
   * as well), or 0 where nothing is held back} Known on Linux; elsewhere there is no quota.
   */
  static int processors() {
    int given = Runtime.getRuntime().availableProcessors();
    return given < allowed() ? given : 0;
  }

  /** How many processors the process may run on. */
  private static int allowed() {
    Path status = Path.of("/proc/self/status");
    if (!Files.isReadable(status)) {
      return 0;
    }
    try (Stream<String> lines = Files.lines(status, StandardCharsets.ISO_8859_1)) {
      return lines
          .filter(line -> line.startsWith("Cpus_allowed_list:"))
          .mapToInt(line -> count(line.substring(line.indexOf(':') + 1).strip()))
          .findFirst()
          .orElse(0);
    } catch (IOException | RuntimeException e) {
      return 0;
    }
  }

  /** {@return how many numbers a list such as {@code 0-3,7} of the kernel has} */
  static int count(String list) {
    int count = 0;
    for (String range : list.split(",")) {
      String[] ends = range.split("-");
      count += Integer.parseInt(ends[ends.length - 1]) - Integer.parseInt(ends[0]) + 1;
    }
    return count;
  }
}
