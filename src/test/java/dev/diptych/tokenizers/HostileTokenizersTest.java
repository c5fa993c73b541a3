package dev.diptych.tokenizers;

import static org.assertj.core.api.Assertions.assertThat;

import dev.diptych.testing.ForkedJvm;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.assertj.core.api.SoftAssertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HostileTokenizersTest {
  private static final Pattern LINE = Pattern.compile("(?m)^\\[(.+)\\] (\\d+) ms (.*)$");

  @Test
  void refusesEveryHostileFileWithAReasonAndStaysAlive(@TempDir Path folder) throws Exception {
    ForkedJvm.Result result =
        ForkedJvm.of(HostileTokenizers.class)
            .options("-Xmx256m", "-Duser.language=tr", "-Duser.country=TR")
            .arguments(folder)
            .run();

    assertThat(result.exitCode()).as(result.output()).isZero();
    SoftAssertions softly = new SoftAssertions();
    int lines = 0;
    for (Matcher line = LINE.matcher(result.output()); line.find(); lines++) {
      String name = line.group(1);
      softly.assertThat(Integer.parseInt(line.group(2))).as(name).isLessThan(2_000);
      if (name.equals("sound")) {
        softly.assertThat(line.group(3)).isEqualTo("loaded, 32");
      } else {
        softly
            .assertThat(line.group(3))
            .as(name)
            .matches("(CheckpointException|UnsupportedModelException): .*tokenizer(_config)?\\.json.*")
            .hasSizeLessThan(600);
      }
    }
    softly.assertAll();
    assertThat(lines).as(result.output()).isGreaterThan(45);
  }

  @Test
  void saysWhatToDoWhenTheNativeLibraryCannotBeUnpacked(@TempDir Path folder) throws Exception {
    Path file = Files.createFile(folder.resolve("no folder"));
    ForkedJvm.Result result =
        ForkedJvm.of(HostileTokenizers.class)
            .options("-DDJL_CACHE_DIR=" + file, "-DENGINE_CACHE_DIR=" + file)
            .arguments(folder)
            .run();

    assertThat(result.exitCode()).as(result.output()).isZero();
    assertThat(result.output())
        .containsPattern("\\[sound\\] .* EngineException: Cannot load the native tokenizer library")
        .contains("DJL_CACHE_DIR");
  }

  @Test
  void readsAFolderWhoseNameHasSpaces(@TempDir Path folder) throws Exception {
    Path spaced = Files.createDirectory(folder.resolve("a folder (1) & more"));
    ForkedJvm.Result result =
        ForkedJvm.of(HostileTokenizers.class).arguments(spaced).options("-Xmx256m").run();

    assertThat(result.exitCode()).as(result.output()).isZero();
    assertThat(result.output()).containsPattern("\\[sound\\] .* loaded, 32");
  }
}
