package dev.diptych.models.chameleon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.engine.OnnxExport;
import dev.diptych.core.engine.OnnxWeights;
import dev.diptych.decoders.VqImageDecoder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The picture coder of a tiny Lumina-mGPT, which draws pictures of several sizes. */
class ChameleonCoderTest {
  private static final int[][] GRIDS = {{4, 4}, {2, 6}, {6, 2}};

  /** More sizes than decoders are kept: each makes room for another all the time. */
  @Test
  void severalThreadsDrawMoreSizesThanDecodersAreKept() throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(6);
    try (ChameleonFiles files =
            ChameleonFiles.open(
                TinyChameleon.checkpoint("lumina-7b-512"), TinyChameleon.WITH_CODER);
        ChameleonCoder coder = ChameleonCoder.of(files, TinyChameleon.WITH_CODER)) {
      List<Image> alone = new ArrayList<>();
      for (int[] grid : GRIDS) {
        alone.add(draw(coder, grid));
      }
      List<Callable<Void>> loops = new ArrayList<>();
      for (int thread = 0; thread < 6; thread++) {
        int first = thread;
        loops.add(
            () -> {
              for (int i = 0; i < 20; i++) {
                int which = (first + i) % GRIDS.length;
                assertThat(draw(coder, GRIDS[which])).isEqualTo(alone.get(which));
              }
              return null;
            });
      }
      for (Future<Void> loop : pool.invokeAll(loops)) {
        loop.get();
      }
      coder.close();
      assertThatThrownBy(() -> draw(coder, GRIDS[0]))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("closed");
    } finally {
      pool.shutdownNow();
    }
  }

  @Test
  void everyDecoderThatIsKeptCounts() {
    try (ChameleonFiles files =
        ChameleonFiles.open(TinyChameleon.checkpoint("meta"), TinyChameleon.WITH_CODER)) {
      long decoder = VqImageDecoder.graph(files.vq()).weightBytes();
      long one = ChameleonCoder.bytes(files.vq(), 1);

      assertThat(ChameleonCoder.bytes(files.vq(), 2)).isEqualTo(one + decoder);
      assertThat(ChameleonCoder.bytes(files.vq(), 7)).isEqualTo(one + decoder);
    }
  }

  @Test
  void aDecoderOfTheUsersIsCheckedWithTheModelAndForEverySize(@TempDir Path folder) {
    try (ChameleonFiles files =
        ChameleonFiles.open(TinyChameleon.checkpoint("meta"), LoadOptions.DEFAULT)) {
      Path square = export(files, GRIDS[0], folder.resolve("square.onnx"));
      Path wide = export(files, GRIDS[1], folder.resolve("wide.onnx"));

      assertThatThrownBy(
              () -> ChameleonCoder.of(files, LoadOptions.DEFAULT.withImageDecoder(wide)))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("Was it exported from this model?");
      try (ChameleonCoder coder =
          ChameleonCoder.of(files, LoadOptions.DEFAULT.withImageDecoder(square))) {
        assertThat(coder.drawable(4, 4)).isTrue();
        assertThat(coder.drawable(2, 6)).isFalse();
        assertThatThrownBy(() -> coder.requireDrawable(2, 6))
            .isInstanceOf(InvalidRequestException.class)
            .hasMessageContaining("draws no pictures of 12x4 pixels");
        assertThat(draw(coder, GRIDS[0]).width()).isEqualTo(8);
      }
    }
  }

  private static Path export(ChameleonFiles files, int[] grid, Path file) {
    OnnxExport.write(
        VqImageDecoder.graph(files.vq(), grid[0], grid[1]),
        OnnxWeights.of(files.checkpoint(), files.coderPrefix().orElseThrow()),
        file);
    return file;
  }

  private static Image draw(ChameleonCoder coder, int[] grid) {
    int[] codes = IntStream.range(0, grid[0] * grid[1]).map(i -> i * 7 % 64).toArray();
    return coder.draw(codes, grid[0], grid[1], true, () -> {});
  }
}
