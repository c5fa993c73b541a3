package dev.diptych.core;

/** Where the transformer runs. */
public enum DeviceChoice {
  /** The first GPU when libtorch sees one, else the CPU. */
  AUTO,
  /** The processor. */
  CPU,
  /** The first GPU; an error that names the remedy when there is none. */
  GPU
}
