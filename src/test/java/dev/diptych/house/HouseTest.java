package dev.diptych.house;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Keeps the house as it is drawn: who may know whom, how large a file may grow. */
class HouseTest {
  private static final Path ROOT = Path.of(System.getProperty("diptych.root"));
  private static final Pattern IMPORT =
      Pattern.compile("^import (?:static )?([\\w.]+)", Pattern.MULTILINE);
  private static final List<String> SHARED_MODELS =
      List.of(
          "dev.diptych.models.deepseek.",
          "dev.diptych.models.discrete.",
          "dev.diptych.models.denoising.");
  private static final Map<String, List<String>> MAY_KNOW =
      Map.of(
          "core", List.of("dev.diptych.core"),
          "tokenizers", List.of("dev.diptych.core", "dev.diptych.tokenizers"),
          "decoders", List.of("dev.diptych.core", "dev.diptych.decoders"),
          "models",
              List.of(
                  "dev.diptych.core",
                  "dev.diptych.tokenizers",
                  "dev.diptych.decoders",
                  "dev.diptych.models"));

  @Test
  void arrowsPointOneWay() {
    List<String> wrong = new ArrayList<>();
    MAY_KNOW.forEach(
        (module, allowed) ->
            sources(ROOT.resolve(module), ".java")
                .forEach(
                    file ->
                        imports(file).stream()
                            .filter(i -> i.startsWith("dev.diptych."))
                            .filter(i -> allowed.stream().noneMatch(a -> i.startsWith(a + ".")))
                            .forEach(i -> wrong.add(ROOT.relativize(file) + " imports " + i))));

    assertThat(wrong).isEmpty();
  }

  @Test
  void modelFamiliesDoNotKnowEachOther() {
    List<String> wrong = new ArrayList<>();
    Path models = ROOT.resolve("models/src/main/java/dev/diptych/models");
    sources(models, ".java")
        .forEach(
            file -> {
              Path relative = models.relativize(file);
              if (relative.getNameCount() > 1) {
                String family = "dev.diptych.models." + relative.getName(0) + ".";
                imports(file).stream()
                    .filter(i -> i.startsWith("dev.diptych.models.") && !i.startsWith(family))
                    .filter(i -> SHARED_MODELS.stream().noneMatch(i::startsWith))
                    .forEach(i -> wrong.add(relative + " imports " + i));
              }
            });

    assertThat(wrong).isEmpty();
  }

  @Test
  void onlyTheEnginePackageKnowsTheEngines() {
    List<String> wrong = new ArrayList<>();
    for (String module : List.of("core", "tokenizers", "decoders", "models", "examples")) {
      sources(ROOT.resolve(module), ".java").stream()
          .filter(f -> !f.toString().replace('\\', '/').contains("/core/engine/"))
          .forEach(
              file ->
                  imports(file).stream()
                      .filter(
                          i -> i.startsWith("ai.djl.pytorch.") || i.startsWith("ai.onnxruntime."))
                      .forEach(i -> wrong.add(ROOT.relativize(file) + " imports " + i)));
    }

    assertThat(wrong).isEmpty();
  }

  @Test
  void noFileIsLongerThan600Lines() {
    List<String> wrong = new ArrayList<>();
    for (String suffix : List.of(".java", ".torchscript.py")) {
      for (Path file : sources(ROOT, suffix)) {
        long lines = text(file).lines().count();
        if (lines > 600) {
          wrong.add(ROOT.relativize(file) + " has " + lines + " lines");
        }
      }
    }

    assertThat(wrong).isEmpty();
  }

  @Test
  void noTestIsSkippedOrAssumedAway() {
    String disabled = "@Dis" + "abled";
    String assumed = "Assump" + "tions";
    assertThat(sources(ROOT.resolve("src/test/java"), ".java"))
        .isNotEmpty()
        .allSatisfy(
            file -> assertThat(text(file)).as(file.toString()).doesNotContain(disabled, assumed));
  }

  @Test
  void everyPublicTypeAndMethodOfTheLibraryHasJavadoc() {
    Pattern undocumented =
        Pattern.compile(
            "(?m)^(?!.*\\*/)(?<before>.*)\\n(?<decl>(?:  )?public (?:static |final |abstract |sealed"
                + " |synchronized |default )*(?:class|interface|enum|record|[\\w<>\\[\\]., ?]+)"
                + " \\w+\\s*[(<{].*)$");
    List<String> wrong = new ArrayList<>();
    for (String module : List.of("core", "tokenizers", "decoders", "models")) {
      for (Path file : sources(ROOT.resolve(module + "/src/main/java"), ".java")) {
        Matcher matcher = undocumented.matcher(text(file));
        while (matcher.find()) {
          String before = matcher.group("before").strip();
          if (!before.startsWith("@") && !before.endsWith("*/")) {
            wrong.add(ROOT.relativize(file) + ": " + matcher.group("decl").strip());
          }
        }
      }
    }

    assertThat(wrong).isEmpty();
  }

  /**
   * Quantised kernels crash the process on sizes and addresses that they do not check: one function
   * calls them, with weights that one class made and checked.
   */
  @Test
  void quantisedKernelsAreCalledInOnePlace() {
    List<Path> callers =
        sources(ROOT, ".torchscript.py").stream()
            .filter(
                file ->
                    Stream.of("int8pack_mm", "int4pack_mm", "_scaled_mm", "_int_mm")
                        .anyMatch(text(file)::contains))
            .toList();

    assertThat(callers)
        .singleElement()
        .satisfies(file -> assertThat(file).endsWith(Path.of("core/nn/linear.torchscript.py")));
  }

  private static List<String> imports(Path file) {
    return IMPORT.matcher(text(file)).results().map(r -> r.group(1)).toList();
  }

  private static List<Path> sources(Path folder, String suffix) {
    try (Stream<Path> files = Files.walk(folder)) {
      return files
          .filter(f -> f.toString().endsWith(suffix))
          .filter(f -> !f.toString().replace('\\', '/').contains("/target/"))
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String text(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
