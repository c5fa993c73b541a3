package dev.diptych.core;

import java.util.Objects;

/** One piece of a request or of an answer: text or a picture. */
public sealed interface Part {
  /**
   * A piece of text, always data: it can never act as a control token.
   *
   * @param text any characters
   */
  record Text(String text) implements Part {
    /** Checks that there is a text. */
    public Text {
      Objects.requireNonNull(text, "text");
    }
  }

  /**
   * A picture.
   *
   * @param image the pixels
   */
  record Picture(Image image) implements Part {
    /** Checks that there is a picture. */
    public Picture {
      Objects.requireNonNull(image, "image");
    }
  }

  /** {@return what it is} */
  default Modality modality() {
    return this instanceof Text ? Modality.TEXT : Modality.IMAGE;
  }

  /** {@return a part of text} */
  static Part of(String text) {
    return new Text(text);
  }

  /** {@return a part that is a picture} */
  static Part of(Image image) {
    return new Picture(image);
  }
}
