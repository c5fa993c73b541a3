package dev.diptych.core;

/** What a request wants back. */
public enum Output {
  /** Words. */
  TEXT,
  /** Pictures. */
  IMAGE,
  /** Words and pictures in the order that the model chooses. */
  INTERLEAVED
}
