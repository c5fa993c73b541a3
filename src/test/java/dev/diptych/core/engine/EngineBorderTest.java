package dev.diptych.core.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.diptych.testing.ForkedJvm;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What would abort the process if it got through, in a process of its own. */
class EngineBorderTest {
  @Test
  void dtypesThatWouldAbortTheProcessEndInATypedError() {
    ForkedJvm.Result result = ForkedJvm.of(EngineBorder.class).arguments("dtypes").run();

    assertThat(result.output()).contains("all refused");
    assertThat(result.exitCode()).isZero();
  }

  @Test
  void aMissingNativeIsNamedWithItsArtifactAndTheNetworkIsNotAsked(@TempDir Path cache) {
    ForkedJvm.Result result =
        ForkedJvm.of(EngineBorder.class)
            .without("pytorch-native-cpu")
            .environment("ENGINE_CACHE_DIR", cache.toString())
            .environment("DJL_CACHE_DIR", cache.toString())
            .arguments("open")
            .run();

    assertThat(result.output())
        .contains("Cannot load libtorch 2.7.1")
        .contains("ai.djl.pytorch:pytorch-native-cpu:2.7.1:" + LibTorch.classifier());
    assertThat(result.exitCode()).isEqualTo(3);
    assertThat(cache.resolve("pytorch")).satisfiesAnyOf(
        p -> assertThat(p).doesNotExist(), p -> assertThat(p).isEmptyDirectory());
  }

  @Test
  void aCacheThatCannotBeWrittenIsNamedWithTheRemedy(@TempDir Path folder) throws Exception {
    Path file = java.nio.file.Files.createFile(folder.resolve("not a folder"));
    ForkedJvm.Result result =
        ForkedJvm.of(EngineBorder.class)
            .environment("ENGINE_CACHE_DIR", file.resolve("cache").toString())
            .arguments("open")
            .run();

    assertThat(result.output())
        .contains("its cache folder cannot be written")
        .contains("ENGINE_CACHE_DIR");
    assertThat(result.exitCode()).isEqualTo(3);
  }
}
