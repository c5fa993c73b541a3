package dev.diptych.core;

/** What a part can be. */
public enum Modality {
  /** Words. */
  TEXT,
  /** Pictures. */
  IMAGE
}
