package dev.diptych.core.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.diptych.core.DType;
import dev.diptych.core.weights.StoredType;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What the caller leaves open is decided by the file, the processor and the size. */
class AutoDTypeTest {
  private static final long LARGE = 1_000_000_000;
  private static final List<StoredType> HALVES = List.of(StoredType.F32, StoredType.BF16);

  @Test
  void largeModelsOfHalvesAreComputedInBfloat16WhereTheProcessorCan() {
    assertThat(AutoDType.choose(DType.AUTO, HALVES, LARGE, true)).isEqualTo(DType.BFLOAT16);
    assertThat(AutoDType.choose(DType.AUTO, HALVES, LARGE, false)).isEqualTo(DType.FLOAT32);
    assertThat(AutoDType.choose(DType.AUTO, List.of(StoredType.F32), LARGE, true))
        .isEqualTo(DType.FLOAT32);
  }

  @Test
  void smallModelsAreComputedInFloat32() {
    assertThat(AutoDType.choose(DType.AUTO, HALVES, 6_000_000, true)).isEqualTo(DType.FLOAT32);
  }

  @Test
  void whatTheCallerAskedForStays() {
    assertThat(AutoDType.choose(DType.BFLOAT16, List.of(StoredType.F32), 10, false))
        .isEqualTo(DType.BFLOAT16);
    assertThat(AutoDType.choose(DType.FLOAT32, HALVES, LARGE, true)).isEqualTo(DType.FLOAT32);
  }
}
