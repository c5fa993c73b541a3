package dev.diptych.core;

/** Where a model's weights lie on the CPU. A GPU has memory of its own. */
public enum WeightMemory {
  /**
   * Those that are stored in the number format that is computed in stay where the page cache has their
   * file: nothing is copied, and programs that run the same file share it. The file must not be cut or
   * written to while the model is loaded, nor its drive go away: a page that is gone ends the process.
   */
  MAPPED,
  /** In memory of their own, for files that may change. */
  COPIED,
  /**
   * As {@link #COPIED}, and bfloat16 matrices that the language model's steps read in oneDNN's own
   * order: on an Intel Xeon with AMX a step takes a fifth less time and a long prompt a little less,
   * loading takes seconds more for every billion of weights, which one drawing makes up for. Products
   * may be rounded otherwise in the last bit. Number formats that are quantised have orders of their
   * own in any case; where the processor does not compute in bfloat16 itself, or is not known to, this
   * is {@link #COPIED}.
   */
  PACKED
}
