package dev.diptych.core.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.ResourceLimitException;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MemoryTest {
  @ParameterizedTest
  @CsvSource({"1000, 0, 1000", "1000, 400, 600", "1000, 1000, 0", "1000, 5000, 0"})
  void aLimitIsSharedWithWhatIsHeld(long limit, long held, long allowed) {
    Memory.require("a cache", allowed, OptionalLong.of(limit), held);

    assertThatThrownBy(() -> Memory.require("a cache", allowed + 1, OptionalLong.of(limit), held))
        .isInstanceOfSatisfying(
            ResourceLimitException.class,
            e -> {
              assertThat(e.asked()).isEqualTo(allowed + 1);
              assertThat(e.allowed()).isEqualTo(allowed);
            })
        .hasMessageContaining("a cache");
  }

  @Test
  void withoutALimitTheMachineDecidesWhateverIsHeld() {
    Memory.require("a cache", 1, OptionalLong.empty(), Long.MAX_VALUE);

    assertThatThrownBy(
            () -> Memory.require("a cache", Long.MAX_VALUE, OptionalLong.empty(), 0))
        .isInstanceOf(ResourceLimitException.class);
  }
}
