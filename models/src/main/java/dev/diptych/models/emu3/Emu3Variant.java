package dev.diptych.models.emu3;

import dev.diptych.core.weights.JsonMap;
import java.nio.file.Path;
import java.util.Locale;

/**
 * What a checkpoint was tuned for. Emu3-Gen and Emu3-Chat are one network with one vocabulary: their
 * config.json, tensors and tokenizers tell them not apart, their names do. Where a folder has
 * another name, a guidance scale in generation_config.json tells a checkpoint that draws; without
 * one nothing is known and both are offered, as Emu3-Stage1 does both, from which the two were
 * tuned.
 */
enum Emu3Variant {
  /** Words to a picture. */
  GEN,
  /** Words and pictures to words. */
  CHAT,
  /** Either. */
  BOTH;

  /**
   * Decides.
   *
   * @param folder of the checkpoint; a folder above it may bear the name, as in the cache of
   *     huggingface_hub
   * @param generationConfig generation_config.json, empty if there is none
   */
  static Emu3Variant of(Path folder, JsonMap generationConfig) {
    String path = folder.toAbsolutePath().normalize().toString().toLowerCase(Locale.ROOT);
    int gen = path.lastIndexOf("emu3-gen");
    int chat = path.lastIndexOf("emu3-chat");
    if (gen != chat) {
      return gen > chat ? GEN : CHAT;
    }
    return generationConfig.numberOr("guidance_scale", 1, 0, 100) == 1 ? BOTH : GEN;
  }

  /** {@return what it does, in words} */
  String does() {
    return switch (this) {
      case GEN -> "draws";
      case CHAT -> "reads pictures";
      case BOTH -> "draws and reads pictures, each in a conversation of its own";
    };
  }

  boolean draws() {
    return this != CHAT;
  }

  boolean reads() {
    return this != GEN;
  }
}
