package dev.diptych.house;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** What the README shows is what the examples run, and what CI runs is what the README says. */
class ReadmeTest {
  private static final Path ROOT = Path.of(System.getProperty("diptych.root"));
  private static final Pattern RECIPE =
      Pattern.compile("<!-- recipe: (\\w+\\.java) -->\\n```java\\n(.*?)\\n```", Pattern.DOTALL);

  @Test
  void everySnippetIsTheRegionOfItsExample() throws IOException {
    Matcher matcher = RECIPE.matcher(Files.readString(ROOT.resolve("README.md")));
    List<String> checked = new ArrayList<>();
    while (matcher.find()) {
      Path example =
          ROOT.resolve("examples/src/main/java/dev/diptych/examples").resolve(matcher.group(1));
      String source = Files.readString(example);
      String region =
          source.substring(
              source.indexOf("// region recipe\n") + "// region recipe\n".length(),
              source.indexOf("    // endregion"));

      assertThat(matcher.group(2)).isEqualTo(region.stripTrailing().stripIndent());
      assertThat(source.lines().count()).as("lines of %s", example).isLessThanOrEqualTo(60);
      checked.add(matcher.group(1));
    }
    assertThat(checked)
        .containsExactly(
            "DrawThenDescribe.java",
            "DescribeAnImage.java",
            "DrawFromText.java",
            "ThreeFamilies.java",
            "StreamTokens.java",
            "TellAStory.java",
            "DrawThenAsk.java",
            "InspectACheckpoint.java");
  }

  @Test
  void ciRunsTheReadmesTestCommand() throws IOException {
    String readme = Files.readString(ROOT.resolve("README.md"));
    String ci = Files.readString(ROOT.resolve(".ci/run"));

    assertThat(readme).contains("\n```\nmvn verify\n```\n");
    assertThat(ci.lines().filter(line -> line.contains("mvn")))
        .containsExactly("mvn --batch-mode verify");
  }
}
