package dev.diptych.decoders;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.engine.OnnxProgram;
import dev.diptych.decoders.VqImageDecoder.Grid;
import dev.diptych.testing.VqGolden;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Which decoders are kept, and who waits for them. */
class VqImageDecodersTest {
  private static final Runnable GO_ON = () -> {};

  private final List<Grid> loaded = new ArrayList<>();

  private VqImageDecoder load(VqGolden golden, Grid grid) {
    loaded.add(grid);
    return VqImageDecoder.load(
        golden.config(),
        grid.rows(),
        grid.columns(),
        golden.weights(),
        OnnxProgram.Options.DEFAULT);
  }

  private static Grid grid(VqGolden golden, int rows) {
    return new Grid(rows, 2, golden.config().patchSize());
  }

  @Test
  void theLeastRecentlyUsedMakesRoom() {
    try (VqGolden golden = VqGolden.open("hf");
        VqImageDecoders decoders = new VqImageDecoders(2, 9, grid -> load(golden, grid))) {
      for (int rows : new int[] {1, 2, 1, 3, 1, 2}) {
        decoders.draw(new int[2 * rows], grid(golden, rows), true, GO_ON);
      }

      assertThat(loaded.stream().map(Grid::rows)).containsExactly(1, 2, 3, 2);
    }
  }

  /** What waits is asked whether it still wants to; another's loading has no end of its own here. */
  @ParameterizedTest
  @CsvSource({"1, 9, 3", "2, 1, 3", "2, 9, 1"})
  @Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
  void whoWaitsForAnotherPictureCanLeave(int most, int atOnce, int rows) throws Exception {
    CountDownLatch loading = new CountDownLatch(1);
    CountDownLatch go = new CountDownLatch(1);
    ExecutorService pool = Executors.newSingleThreadExecutor();
    try (VqGolden golden = VqGolden.open("hf");
        VqImageDecoders decoders =
            new VqImageDecoders(
                most,
                atOnce,
                grid -> {
                  loading.countDown();
                  awaitQuietly(go);
                  return load(golden, grid);
                })) {
      Future<?> first =
          pool.submit(() -> decoders.draw(new int[2], grid(golden, 1), true, GO_ON));
      loading.await();
      IllegalStateException own = new IllegalStateException("enough");
      int[] asked = new int[1];

      assertThatThrownBy(
              () ->
                  decoders.draw(
                      new int[2 * rows],
                      grid(golden, rows),
                      true,
                      () -> {
                        if (++asked[0] == 3) {
                          throw own;
                        }
                      }))
          .isSameAs(own);
      assertThat(loaded).isEmpty();
      go.countDown();
      first.get();
      assertThat(decoders.draw(new int[2], grid(golden, 1), true, GO_ON)).isNotNull();
      assertThat(loaded).hasSize(1);
    } finally {
      go.countDown();
      pool.shutdownNow();
    }
  }

  private static void awaitQuietly(CountDownLatch latch) {
    try {
      latch.await(30, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Test
  void whatCannotBeLoadedLeavesNoPlaceTaken() {
    try (VqGolden golden = VqGolden.open("hf");
        VqImageDecoders decoders =
            new VqImageDecoders(
                1,
                1,
                grid -> {
                  if (grid.rows() == 1) {
                    throw new IllegalArgumentException("one");
                  }
                  return load(golden, grid);
                })) {
      for (int i = 0; i < 2; i++) {
        assertThatThrownBy(() -> decoders.draw(new int[2], grid(golden, 1), true, GO_ON))
            .hasMessage("one");
      }
      assertThat(decoders.draw(new int[4], grid(golden, 2), true, GO_ON)).isNotNull();
    }
  }
}
