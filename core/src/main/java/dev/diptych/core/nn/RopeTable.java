package dev.diptych.core.nn;

import dev.diptych.core.DType;
import dev.diptych.core.engine.Memory;
import java.util.OptionalLong;

/**
 * The cosines and sines by which a model turns queries and keys, made for every position when it is
 * loaded ({@code core/nn/rope}, function {@code table}). How many positions a checkpoint's config.json
 * says, so what the table takes is asked for before it is made.
 *
 * @param positions longest sequence
 * @param headDim K
 */
public record RopeTable(int positions, int headDim) {
  /** {@return bytes that it takes in this dtype} */
  public long bytes(DType dtype) {
    return 2L * positions * headDim * dtype.bytes();
  }

  /**
   * Refuses a model that cannot fit.
   *
   * @param name of the model
   * @param weights bytes of its weights
   * @param limit most bytes of the whole model, as its caller set it
   * @return bytes of the weights and of this table
   * @throws dev.diptych.core.ResourceLimitException with both numbers
   */
  public long require(String name, DType dtype, long weights, OptionalLong limit) {
    long all = Math.addExact(weights, bytes(dtype));
    Memory.require(
        "the weights of " + name + " in " + dtype + " and the table of its " + positions
            + " positions (max_position_embeddings)",
        all,
        limit,
        0);
    return all;
  }
}
