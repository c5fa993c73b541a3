package dev.diptych.examples;

import java.util.Locale;

/** The small models of the picture world that come with the programs. */
public enum Demo {
  /** Captions pictures and draws them. */
  JANUS,
  /** Captions, draws, and tells stories in words and pictures. */
  CHAMELEON;

  /** {@return the name on a command line, also of the folder of its files} */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
