package dev.diptych.core.engine;

import dev.diptych.core.ResourceLimitException;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.OptionalLong;

/** How much memory native code may take, asked before it takes it. */
public final class Memory {
  private Memory() {}

  /** {@return bytes that this process can still take: what the system and its container leave} */
  public static long available() {
    long free = meminfo("MemAvailable:").orElseGet(Memory::free);
    OptionalLong limit = number(Path.of("/sys/fs/cgroup/memory.max"));
    OptionalLong used = number(Path.of("/sys/fs/cgroup/memory.current"));
    if (limit.isPresent() && used.isPresent()) {
      free = Math.min(free, Math.max(0, limit.getAsLong() - used.getAsLong()));
    }
    return free;
  }

  /**
   * Refuses what cannot fit.
   *
   * @param what the noun for the message
   * @param asked bytes
   * @param allowed bytes
   * @throws ResourceLimitException with both numbers
   */
  public static void require(String what, long asked, long allowed) {
    if (asked > allowed) {
      throw new ResourceLimitException(
          "Not enough memory for "
              + what
              + "\n  asked    "
              + megabytes(asked)
              + "\n  allowed  "
              + megabytes(allowed)
              + "\n  remedy   dtype bfloat16, fewer pictures, a shorter context, or a machine with"
              + " more memory",
          asked,
          allowed);
    }
  }

  /**
   * Refuses what cannot fit beside what a model holds already.
   *
   * @param what the noun for the message
   * @param asked bytes
   * @param limit most bytes of the whole model, as its caller set it; without one the machine's
   *     free memory counts, from which what is held is gone already
   * @param held bytes of the limit that are taken: weights, caches that are open
   * @throws ResourceLimitException with both numbers
   */
  public static void require(String what, long asked, OptionalLong limit, long held) {
    long allowed =
        limit.isPresent() ? Math.max(0, limit.getAsLong() - held) : available();
    require(what, asked, allowed);
  }

  /** {@return a size for people} */
  public static String megabytes(long bytes) {
    return String.format(Locale.ROOT, "%,.1f MB", bytes / 1e6);
  }

  private static long free() {
    return ManagementFactory.getOperatingSystemMXBean()
            instanceof com.sun.management.OperatingSystemMXBean system
        ? system.getFreeMemorySize()
        : Long.MAX_VALUE;
  }

  private static java.util.Optional<Long> meminfo(String key) {
    Path file = Path.of("/proc/meminfo");
    if (!Files.isReadable(file)) {
      return java.util.Optional.empty();
    }
    try {
      return Files.readAllLines(file, StandardCharsets.ISO_8859_1).stream()
          .filter(line -> line.startsWith(key))
          .map(line -> 1024 * Long.parseLong(line.replaceAll("[^0-9]", "")))
          .findFirst();
    } catch (IOException | NumberFormatException e) {
      return java.util.Optional.empty();
    }
  }

  private static OptionalLong number(Path file) {
    try {
      String text = Files.readString(file, StandardCharsets.ISO_8859_1).strip();
      return OptionalLong.of(Long.parseLong(text));
    } catch (IOException | NumberFormatException e) {
      // No container, or no limit ("max").
      return OptionalLong.empty();
    }
  }
}
