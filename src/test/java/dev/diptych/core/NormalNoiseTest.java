package dev.diptych.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

class NormalNoiseTest {
  private static final int MANY = 200_000;

  /** Four standard errors of each moment of so many normal numbers; the draw is always the same. */
  @Test
  void isStandardNormal() {
    float[] numbers = new NormalNoise(7).draw(0, 0, MANY);
    double mean = 0;
    double square = 0;
    double cube = 0;
    double fourth = 0;
    int beyondTwo = 0;
    double neighbours = 0;
    for (int i = 0; i < MANY; i++) {
      double x = numbers[i];
      mean += x / MANY;
      square += x * x / MANY;
      cube += x * x * x / MANY;
      fourth += x * x * x * x / MANY;
      beyondTwo += Math.abs(x) > 2 ? 1 : 0;
      neighbours += i == 0 ? 0 : x * numbers[i - 1] / MANY;
    }
    double root = Math.sqrt(MANY);

    assertThat(mean).isCloseTo(0, within(4 / root));
    assertThat(square).isCloseTo(1, within(4 * Math.sqrt(2) / root));
    assertThat(cube).isCloseTo(0, within(4 * Math.sqrt(15) / root));
    assertThat(fourth).isCloseTo(3, within(4 * Math.sqrt(96) / root));
    assertThat(beyondTwo / (double) MANY).isCloseTo(0.0455, within(4 * 0.2084 / root));
    assertThat(neighbours).isCloseTo(0, within(4 / root));
  }

  /** Worked out in Python with a Philox that was held against Random123's known answers. */
  @Test
  void turnsKnownBlocksIntoKnownNumbers() {
    assertThat(new NormalNoise(0).draw(0, 0, 4))
        .containsExactly(1.1363673f, -0.675883f, 1.2405918f, 0.22425114f);
  }

  @Test
  void aLongerDrawBeginsWithAShorterOne() {
    NormalNoise noise = new NormalNoise(-3);

    assertThat(Arrays.copyOf(noise.draw(2, 5, 1001), 7)).containsExactly(noise.draw(2, 5, 7));
    assertThat(noise.draw(2, 5, 0)).isEmpty();
  }

  @Test
  void seedPictureAndDrawAllMatter() {
    float[] numbers = new NormalNoise(1).draw(0, 0, 8);

    assertThat(new NormalNoise(1).draw(0, 0, 8)).containsExactly(numbers);
    assertThat(new NormalNoise(2).draw(0, 0, 8)).doesNotContain(numbers);
    assertThat(new NormalNoise(1L << 32 | 1).draw(0, 0, 8)).doesNotContain(numbers);
    assertThat(new NormalNoise(1).draw(1, 0, 8)).doesNotContain(numbers);
    assertThat(new NormalNoise(1).draw(0, 1, 8)).doesNotContain(numbers);
  }

  @Test
  void refusesNegativeCounts() {
    assertThatThrownBy(() -> new NormalNoise(1).draw(0, 0, -1))
        .isInstanceOf(InvalidRequestException.class);
    assertThatThrownBy(() -> new NormalNoise(1).draw(0, -1, 1))
        .isInstanceOf(InvalidRequestException.class);
  }
}
