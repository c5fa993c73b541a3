package dev.diptych.core.engine;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** What this machine's processor can do. */
public final class CpuFeatures {
  private CpuFeatures() {}

  /**
   * {@return whether the processor multiplies bfloat16 itself} Known on Linux, from the kernel's own
   * list; elsewhere the answer is no, and float32 is the safe choice.
   */
  public static boolean bfloat16() {
    String text = description();
    return text.contains("avx512_bf16") || text.contains("amx_bf16") || text.contains(" bf16");
  }

  /** {@return whether the processor is Intel's} Known on Linux and Windows. */
  static boolean intel() {
    String windows = System.getenv("PROCESSOR_IDENTIFIER");
    return description().contains("GenuineIntel")
        || windows != null && windows.contains("GenuineIntel");
  }

  /** {@return whether this is a 64-bit x86 process} */
  static boolean x86() {
    return List.of("amd64", "x86_64").contains(System.getProperty("os.arch"));
  }

  private static String description() {
    Path info = Path.of("/proc/cpuinfo");
    if (!Files.isReadable(info)) {
      return "";
    }
    try {
      return Files.readString(info, StandardCharsets.ISO_8859_1);
    } catch (IOException e) {
      return "";
    }
  }
}
