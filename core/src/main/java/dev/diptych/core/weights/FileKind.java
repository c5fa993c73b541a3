package dev.diptych.core.weights;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.UnsupportedModelException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Locale;

/** What a weights file is, told by its first bytes: a file's name may say anything. */
enum FileKind {
  SAFETENSORS,
  TORCH_ZIP;

  static final int PROBE_BYTES = 256;

  /** Protocol 2 and the long integer that torch before 1.6 wrote first. */
  private static final byte[] LEGACY_TORCH = {(byte) 0x80, 2, (byte) 0x8a, 0x0a, 0x6c, (byte) 0xfc};

  static FileKind of(Path file, byte[] start) {
    refuseStandIns(file, start);
    if (startsWith(start, new byte[] {'P', 'K', 3, 4})) {
      return TORCH_ZIP;
    }
    if (startsWith(start, LEGACY_TORCH)) {
      throw new CheckpointException(
          Shown.file(file) + " is in the format of PyTorch before 1.6, which only Python can read;"
              + " expected safetensors or a zip written by torch.save."
              + " Load it in PyTorch and save it again as safetensors");
    }
    if (startsWith(start, new byte[] {'G', 'G', 'U', 'F'})) {
      throw new UnsupportedModelException(
          Shown.file(file) + " is a GGUF file; expected safetensors or a torch.save file."
              + " Take the checkpoint as its authors published it");
    }
    return SAFETENSORS;
  }

  /** Refuses what a failed download leaves in the place of a file. */
  static void refuseStandIns(Path file, byte[] start) {
    String text = new String(start, 0, Math.min(start.length, PROBE_BYTES), StandardCharsets.UTF_8);
    if (text.startsWith("version https://git-lfs")) {
      throw new CheckpointException(
          Shown.file(file) + " is a Git LFS pointer, not the file itself;"
              + " fetch it with: git lfs pull");
    }
    String lower = text.stripLeading().toLowerCase(Locale.ROOT);
    if (lower.startsWith("<!doctype") || lower.startsWith("<html") || lower.startsWith("<?xml")) {
      throw new CheckpointException(
          Shown.file(file) + " is a web page, probably an error message saved by a failed download;"
              + " download the file again");
    }
  }

  private static boolean startsWith(byte[] bytes, byte[] prefix) {
    if (bytes.length < prefix.length) {
      return false;
    }
    for (int i = 0; i < prefix.length; i++) {
      if (bytes[i] != prefix[i]) {
        return false;
      }
    }
    return true;
  }
}
