package dev.diptych.tokenizers;

import ai.djl.huggingface.tokenizers.jni.LibUtils;
import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import dev.diptych.core.EngineException;
import dev.diptych.core.UnsupportedModelException;

/**
 * The Hugging Face tokenizer in native code, called through DJL's JNI library.
 *
 * <p>DJL's {@code HuggingFaceTokenizer} is passed by: it asks the network for the host's name on
 * creation (telemetry), turns on truncation at 512 tokens and padding unless told not to, and
 * fetches six arrays where one is needed.
 */
final class NativeTokenizer {
  static {
    // On a host with a GPU, DJL would download another build of the library: its tokenizer is the
    // same, what differs are models of its Rust engine.
    if (System.getenv("RUST_FLAVOR") == null && System.getProperty("RUST_FLAVOR") == null) {
      System.setProperty("RUST_FLAVOR", "cpu");
    }
  }

  private final long handle;

  private NativeTokenizer(long handle) {
    this.handle = handle;
  }

  /**
   * Builds a tokenizer.
   *
   * @param json the content of a tokenizer.json that has been checked: native code may abort the
   *     process over others
   * @param source what messages call it
   */
  static NativeTokenizer of(String json, String source) {
    try {
      LibUtils.checkStatus();
    } catch (RuntimeException | LinkageError e) {
      throw new EngineException(
          "Cannot load the native tokenizer library for "
              + System.getProperty("os.name")
              + " "
              + System.getProperty("os.arch")
              + ": "
              + e
              + "\n  It is unpacked from ai.djl.huggingface:tokenizers to the folder DJL_CACHE_DIR or"
              + " ~/.djl.ai: is that writable, with 20 MB free?",
          e);
    }
    try {
      return new NativeTokenizer(TokenizersLibrary.LIB.createTokenizerFromString(json));
    } catch (RuntimeException e) {
      throw new UnsupportedModelException(
          "The native tokenizer does not accept " + source + ": " + e.getMessage(), e);
    }
  }

  /** Returns the ids of a text without unpaired surrogates, nothing added, nothing cut off. */
  int[] encode(String text) {
    long encoding;
    try {
      encoding = TokenizersLibrary.LIB.encode(handle, text, false);
    } catch (RuntimeException e) {
      throw new EngineException("The native tokenizer failed on a text: " + e.getMessage(), e);
    }
    try {
      long[] ids = TokenizersLibrary.LIB.getTokenIds(encoding);
      int[] result = new int[ids.length];
      for (int i = 0; i < ids.length; i++) {
        result[i] = Math.toIntExact(ids[i]);
      }
      return result;
    } finally {
      TokenizersLibrary.LIB.deleteEncoding(encoding);
    }
  }

  /** Frees the native memory; once, and with nobody inside {@link #encode}. */
  void free() {
    TokenizersLibrary.LIB.deleteTokenizer(handle);
  }
}
