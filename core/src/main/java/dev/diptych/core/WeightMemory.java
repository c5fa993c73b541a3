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
   * As {@link #COPIED}, and bfloat16 matrices of the language model's layers in the order in which the
   * processor's matrix units read them: every step and every prompt takes less time, loading takes
   * more, which a drawing or a few long answers make up for. Products may be rounded otherwise in the
   * last bit. Number formats that are quantised always lie so; where the processor does not compute in
   * bfloat16 itself, this is {@link #COPIED}.
   */
  PACKED
}
