package dev.diptych.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

class CounterRandomTest {
  /** The known answers of the authors' Random123 library for philox4x32 with 10 rounds. */
  @Test
  void agreesWithTheKnownAnswersOfPhilox() {
    assertThat(new CounterRandom(0).block(0, 0, 0, 0))
        .containsExactly(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8);
    assertThat(new CounterRandom(-1).block(-1, -1, -1, -1))
        .containsExactly(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd);
    assertThat(
            new CounterRandom(0x299f31d0a4093822L)
                .block(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344))
        .containsExactly(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1);
  }

  @Test
  void bitsAreUniformIn53Bits() {
    CounterRandom random = new CounterRandom(42);
    int count = 20_000;

    double mean =
        LongStream.range(0, count).mapToDouble(i -> random.bits(3, i) * 0x1p-53).average().orElse(9);
    long low = LongStream.range(0, count).map(i -> random.bits(3, i) & 1).sum();

    // five standard deviations of a fair mean: 5 * sqrt(1/12 / n), and of a fair bit: 5 * sqrt(n) / 2
    assertThat(mean).isBetween(0.5 - 0.0103, 0.5 + 0.0103);
    assertThat(low).isBetween(count / 2 - 354L, count / 2 + 354L);
    assertThat(LongStream.range(0, 100).map(i -> random.bits(0, i)))
        .allMatch(b -> b >= 0 && b < 1L << 53);
  }

  @Test
  void seedPictureAndPositionAllMatter() {
    assertThat(
            LongStream.of(
                    new CounterRandom(1).bits(0, 0),
                    new CounterRandom(2).bits(0, 0),
                    new CounterRandom(1L << 40).bits(0, 0),
                    new CounterRandom(1).bits(1, 0),
                    new CounterRandom(1).bits(0, 1),
                    new CounterRandom(1).bits(0, 1L << 40))
                .boxed())
        .doesNotHaveDuplicates();
    assertThat(new CounterRandom(7).bits(5, 9)).isEqualTo(new CounterRandom(7).bits(5, 9));
  }
}
