package dev.diptych.core.engine;

import dev.diptych.core.ResourceLimitException;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;

/** How much memory native code may take, asked before it takes it. */
public final class Memory {
  private static final AtomicLong HELD = new AtomicLong();

  private Memory() {}

  /** {@return bytes that this process can still take: what the system and its container leave} */
  public static long available() {
    return available(Path.of("/"), Memory::free);
  }

  /**
   * {@return bytes to be had} Both counts take the pages of files for memory that can be had at
   * once; those of loaded models cannot.
   *
   * @param root of the file system
   * @param otherwise what the system has free where no file tells
   */
  static long available(Path root, LongSupplier otherwise) {
    long free = first(root.resolve("proc/meminfo"), "MemAvailable:").orElseGet(otherwise);
    Path group = root.resolve("sys/fs/cgroup");
    OptionalLong limit = number(group.resolve("memory.max"));
    OptionalLong used = number(group.resolve("memory.current"));
    if (limit.isPresent() && used.isPresent()) {
      Path stat = group.resolve("memory.stat");
      long files =
          first(stat, "active_file ").orElse(0) + first(stat, "inactive_file ").orElse(0);
      free = Math.min(free, limit.getAsLong() - used.getAsLong() + files);
    }
    return Math.max(0, free - HELD.get());
  }

  /**
   * Counts pages of files that a model needs.
   *
   * @return to be run when it needs them no longer
   */
  static Runnable hold(long bytes) {
    HELD.addAndGet(bytes);
    return () -> HELD.addAndGet(-bytes);
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

  /** {@return bytes of files that models of this process need} */
  static long held() {
    return HELD.get();
  }

  private static long free() {
    return ManagementFactory.getOperatingSystemMXBean()
            instanceof com.sun.management.OperatingSystemMXBean system
        ? system.getFreeMemorySize()
        : Long.MAX_VALUE;
  }

  /** The number of the first line that begins so; /proc/meminfo counts in kB and says so. */
  private static OptionalLong first(Path file, String key) {
    if (!Files.isReadable(file)) {
      return OptionalLong.empty();
    }
    try {
      return Files.readAllLines(file, StandardCharsets.ISO_8859_1).stream()
          .filter(line -> line.startsWith(key))
          .mapToLong(
              line ->
                  (line.endsWith(" kB") ? 1024 : 1)
                      * Long.parseLong(line.replaceAll("[^0-9]", "")))
          .findFirst();
    } catch (IOException | NumberFormatException e) {
      return OptionalLong.empty();
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
