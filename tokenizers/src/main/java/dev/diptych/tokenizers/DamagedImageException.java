package dev.diptych.tokenizers;

import java.io.IOException;

/** What is wrong inside the bytes of a picture; {@link ImageFile} adds which picture it was. */
final class DamagedImageException extends IOException {
  private static final long serialVersionUID = 1L;

  private final String expected;

  DamagedImageException(String expected, String found) {
    super(found);
    this.expected = expected;
  }

  String expected() {
    return expected;
  }
}
