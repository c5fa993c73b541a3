package dev.diptych.core.engine;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** What this machine's processor can do. */
public final class CpuFeatures {
  private CpuFeatures() {}

  /**
   * {@return whether the processor multiplies bfloat16 itself} Known on Linux, from the kernel's own
   * list; elsewhere the answer is no, and float32 is the safe choice.
   */
  public static boolean bfloat16() {
    Path info = Path.of("/proc/cpuinfo");
    if (!Files.isReadable(info)) {
      return false;
    }
    try {
      String text = Files.readString(info, StandardCharsets.ISO_8859_1);
      return text.contains("avx512_bf16") || text.contains("amx_bf16") || text.contains(" bf16");
    } catch (IOException e) {
      return false;
    }
  }
}
