package dev.diptych.core.engine;

import dev.diptych.core.DType;
import dev.diptych.core.weights.StoredType;
import java.util.Collection;

/** Which number format {@link DType#AUTO} means for a checkpoint on this machine. */
public final class AutoDType {
  /**
   * A model of fewer numbers stays in the processor's caches, where the conversions that bfloat16
   * costs outweigh the memory it saves: the demo Janus (6 million) draws twice as fast in float32.
   */
  private static final long SMALL = 32_000_000;

  private AutoDType() {}

  /**
   * Chooses.
   *
   * @param asked by the caller; anything but AUTO stays
   * @param stored types of the checkpoint's tensors
   * @param numbers how many numbers the model's weights are
   * @return float32 or bfloat16
   */
  public static DType choose(DType asked, Collection<StoredType> stored, long numbers) {
    return choose(asked, stored, numbers, LibTorch.bfloat16InHardware());
  }

  static DType choose(DType asked, Collection<StoredType> stored, long numbers, boolean hardware) {
    if (asked != DType.AUTO) {
      return asked;
    }
    boolean halves = stored.contains(StoredType.BF16) || stored.contains(StoredType.F16);
    return halves && hardware && numbers >= SMALL ? DType.BFLOAT16 : DType.FLOAT32;
  }
}
