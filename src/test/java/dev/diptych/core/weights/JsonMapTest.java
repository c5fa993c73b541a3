package dev.diptych.core.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.CheckpointException;
import dev.diptych.testing.ForkedJvm;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(30)
class JsonMapTest {
  @TempDir Path folder;

  @Test
  void readsTypedValuesAndTheirDefaults() {
    JsonMap config =
        json("{\"model_type\":\"janus\",\"text_config\":{\"hidden_size\":2048,"
            + "\"rms_norm_eps\":1e-6,\"tie\":false,\"rope_scaling\":null},\"mean\":[0.5,1],\"ids\":[1,2],"
            + "\"names\":[\"a\",\"\u00e4\"],\"layers\":[{\"n\":1},{\"n\":2}],"
            + "\"big\":9007199254740993}");

    assertThat(config.string("model_type")).isEqualTo("janus");
    assertThat(config.object("text_config").integer("hidden_size", 1, 65536)).isEqualTo(2048);
    assertThat(config.object("text_config").number("rms_norm_eps", 0, 1)).isEqualTo(1e-6);
    assertThat(config.object("text_config").bool("tie")).isFalse();
    assertThat(config.numbers("mean", 0, 1)).containsExactly(0.5, 1.0);
    assertThat(config.integers("ids", 0, 9)).containsExactly(1L, 2L);
    assertThat(config.strings("names")).containsExactly("a", "\u00e4");
    assertThat(config.objects("layers").get(1).integer("n", 0, 9)).isEqualTo(2);
    assertThat(config.integer("big", 0L, Long.MAX_VALUE)).isEqualTo(9007199254740993L);
    assertThat(config.keys()).startsWith("model_type", "text_config").hasSize(7);
    assertThat(config.has("absent")).isFalse();
    assertThat(config.object("text_config").has("rope_scaling")).isFalse();
    assertThat(config.integerOr("absent", 7, 0, 9)).isEqualTo(7);
    assertThat(config.object("text_config").stringOr("rope_scaling", "none")).isEqualTo("none");
    assertThat(config.numberOr("absent", 0.5, 0, 1)).isEqualTo(0.5);
    assertThat(config.boolOr("absent", true)).isTrue();
    assertThat(config.object("text_config").kind("rope_scaling")).isEqualTo(JsonMap.Kind.NULL);
    assertThat(config.kind("mean")).isEqualTo(JsonMap.Kind.ARRAY);
    assertThat(config.kind("absent")).isEqualTo(JsonMap.Kind.ABSENT);
  }

  @Test
  void namesThePathTheValueAndTheRange() {
    JsonMap config =
        json("{\"text_config\":{\"hidden_size\":0,\"num_hidden_layers\":1000000000,"
            + "\"vocab_size\":-5,\"rms_norm_eps\":1e400,\"heads\":\"16\",\"x\":1.0,\"n\":null,"
            + "\"layers\":[{\"n\":3}],\"ids\":[1,\"2\"]}}");
    JsonMap text = config.object("text_config");

    assertFails(() -> text.integer("hidden_size", 1, 1_000_000),
        "config.json: text_config.hidden_size is 0; expected 1 to 1000000");
    assertFails(() -> text.integer("num_hidden_layers", 1, 1024),
        "config.json: text_config.num_hidden_layers is 1000000000; expected 1 to 1024");
    assertFails(() -> text.integer("vocab_size", 1, 1 << 24),
        "config.json: text_config.vocab_size is -5; expected 1 to 16777216");
    assertFails(() -> text.number("rms_norm_eps", 0, 1),
        "config.json: text_config.rms_norm_eps is 1e400; expected 0.0 to 1.0");
    assertFails(() -> text.integer("heads", 1, 64),
        "config.json: text_config.heads is \"16\"; expected an integer from 1 to 64");
    assertFails(() -> text.integer("x", 1, 64),
        "config.json: text_config.x is 1.0; expected an integer from 1 to 64");
    assertFails(() -> text.integer("n", 1, 64),
        "config.json: text_config.n is null; expected an integer from 1 to 64");
    assertFails(() -> text.integer("absent", 1, 64),
        "config.json: text_config.absent is missing; expected an integer from 1 to 64");
    assertFails(() -> text.objects("layers").get(0).string("n"),
        "config.json: text_config.layers[0].n is 3; expected a string");
    assertFails(() -> text.integers("ids", 0, 9),
        "config.json: text_config.ids[1] is \"2\"; expected an integer from 0 to 9");
    assertFails(() -> text.object("ids"),
        "config.json: text_config.ids is an array of 2; expected an object");
    assertFails(() -> text.bool("x"), "config.json: text_config.x is 1.0; expected true or false");
    assertThat(text.refuse("heads", "a divisor of hidden_size 4096"))
        .hasMessage("config.json: text_config.heads is \"16\";"
            + " expected a divisor of hidden_size 4096");
    assertThat(text).hasToString("config.json: text_config");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "", " ", "{", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\":[1,]}", "{\"a\":1}}",
        "{\"a\":1} x", "[]", "1", "null", "{'a':1}", "{a:1}", "{\"a\":NaN}", "{\"a\":Infinity}",
        "{\"a\":-Infinity}", "{\"a\":01}", "{\"a\":+1}", "{\"a\":.5}", "{\"a\":1.}", "{\"a\":0x1}",
        "{\"a\":TRUE}", "{\"a\":\"\n\"}", "{\"a\":\"\\x41\"}", "{\"a\":1;\"b\":2}", "{\"a\"=1}",
        "{/* */\"a\":1}", "{\"a\":1//\n}", "# x\n{}", ")]}'\n{}", "\ufeff{}", "{\"a\":\"\\u12\"}",
        "{\"a\":tru", "{\"a\":1e}", "{\"a\":--1}", "{,}"
      })
  void acceptsOnlyStrictJson(String text) {
    assertThatThrownBy(() -> json(text))
        .isInstanceOf(CheckpointException.class)
        .hasMessageStartingWith("config.json ")
        .satisfies(e -> assertThat(e.getMessage()).doesNotContain("Lenient", "gson", "LENIENT"));
  }

  @Test
  void refusesDuplicateKeysAtAnyDepth() {
    assertFails(() -> json("{\"a\":1,\"a\":1}"),
        "config.json has a duplicate key: a stands twice in one object");
    assertFails(() -> json("{\"b\":[{\"a\":1,\"\\u0061\":2}]}"),
        "config.json has a duplicate key: a stands twice in one object");
    assertFails(() -> json("{\"a\":null,\"a\":null}"),
        "config.json has a duplicate key: a stands twice in one object");
  }

  @Test
  void readsSixtyFourLevelsAndNoMore() {
    assertThat(json("{\"a\":" + "[".repeat(63) + "]".repeat(63) + "}").has("a")).isTrue();
    assertFails(() -> json("{\"a\":" + "[".repeat(64) + "]".repeat(64) + "}"),
        "config.json is nested more than 64 levels deep, the most that is read");
    assertFails(() -> json("{\"a\":".repeat(100_000)),
        "config.json is nested more than 64 levels deep, the most that is read");
  }

  @Test
  void keepsHugeNumbersHarmless() {
    JsonMap config =
        json("{\"a\":1e999999999,\"b\":" + "9".repeat(1000) + ",\"c\":-0,\"d\":1e-999}");

    assertThatThrownBy(() -> config.number("a", 0, 1)).isInstanceOf(CheckpointException.class);
    assertThatThrownBy(() -> config.integer("b", 0L, Long.MAX_VALUE))
        .isInstanceOf(CheckpointException.class)
        .satisfies(e -> assertThat(e.getMessage()).hasSizeLessThan(400));
    assertThat(config.number("c", -1, 1)).isZero();
    assertThat(config.number("d", -1, 1)).isZero();
  }

  @Test
  void refusesFilesThatAreAbsentTooLargeOrNotText() throws IOException {
    Path file = folder.resolve("config.json");
    assertThatThrownBy(() -> JsonMap.read(file, 100))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("config.json is missing");
    assertThatThrownBy(() -> JsonMap.read(folder, 100)).isInstanceOf(CheckpointException.class);

    Files.writeString(file, "{\"a\":\"" + "x".repeat(100) + "\"}");
    assertThatThrownBy(() -> JsonMap.read(file, 100))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("config.json is 108 bytes; at most 100 are read");
    assertThat(JsonMap.read(file, 108).string("a")).hasSize(100);

    Files.write(file, "{\"a\":\"\u00ff\"}".getBytes(StandardCharsets.ISO_8859_1));
    assertThatThrownBy(() -> JsonMap.read(file, 100))
        .isInstanceOf(CheckpointException.class)
        .hasMessage("config.json is not UTF-8 text");

    Files.writeString(file, "<!doctype html><title>404</title>");
    assertThatThrownBy(() -> JsonMap.read(file, 100))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("web page");
  }

  @Test
  void readsTheSameWithAnyLocaleAndEncoding() throws IOException {
    Path file = folder.resolve("config.json");
    Files.writeString(file, "{\"I\u0131\":\"\u00e4\u2603\",\"n\":1234567,\"x\":0.25}");
    for (List<String> locale : List.of(List.of("tr", "TR"), List.of("ar", "EG"))) {
      ForkedJvm.Result result =
          ForkedJvm.of(ReadsAConfig.class)
              .options("-Duser.language=" + locale.get(0), "-Duser.country=" + locale.get(1),
                  "-Dfile.encoding=ISO-8859-1", "-Xmx64m")
              .arguments(file)
              .run();

      assertThat(result.output()).contains("right: true", "is 1234567; expected 0 to 9");
      assertThat(result.exitCode()).isZero();
    }
  }

  static final class ReadsAConfig {
    public static void main(String[] args) {
      JsonMap config = JsonMap.read(Path.of(args[0]), 1000);
      boolean right =
          config.string("I\u0131").equals("\u00e4\u2603") && config.number("x", 0, 1) == 0.25
              && StoredType.named("I8").isPresent();
      System.out.println("right: " + right);
      try {
        config.integer("n", 0, 9);
      } catch (CheckpointException e) {
        System.out.println(e.getMessage());
      }
    }
  }

  private static JsonMap json(String text) {
    return JsonMap.parse("config.json", text.getBytes(StandardCharsets.UTF_8));
  }

  private static void assertFails(ThrowingCallable call, String message) {
    assertThatThrownBy(call).isInstanceOf(CheckpointException.class).hasMessage(message);
  }
}
