package dev.diptych.core.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.diptych.testing.ForkedJvm;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CpuQuotaTest {
  /** Says how many threads libtorch has. */
  static final class Child {
    public static void main(String[] args) {
      System.out.println("threads " + LibTorch.threads());
    }
  }

  @ParameterizedTest
  @CsvSource({"0, 1", "0-3, 4", "'0-3,7', 5", "'2,4,8-15', 10", "0-127, 128"})
  void processorsAreCountedAsTheKernelListsThem(String list, int count) {
    assertThat(CpuQuota.count(list)).isEqualTo(count);
  }

  @Test
  void libtorchTakesNoMoreThreadsThanTheProcessIsGiven() {
    String output =
        ForkedJvm.of(Child.class).options("-XX:ActiveProcessorCount=1").run().output();

    assertThat(output).contains("threads 1\n");
  }

  @Test
  void aChosenNumberOfThreadsStays() {
    String output =
        ForkedJvm.of(Child.class)
            .options("-XX:ActiveProcessorCount=1", "-Dai.djl.pytorch.num_threads=3")
            .run()
            .output();

    assertThat(output).contains("threads 3\n");
  }
}
