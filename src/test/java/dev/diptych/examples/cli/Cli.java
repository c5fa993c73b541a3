package dev.diptych.examples.cli;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.diptych.testing.Golden;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * One run of the program in this process.
 *
 * @param exitCode what the shell would see
 * @param stdout what was answered
 * @param stderr what was noted
 */
record Cli(int exitCode, byte[] stdout, String stderr) {
  static final Path TINY = Golden.folder("janus/hf/checkpoint");

  /** Runs the program with nothing on standard input. */
  static Cli run(Object... arguments) {
    return typed("", arguments);
  }

  /** Runs a command on the tiny checkpoint. */
  static Cli tiny(Object... arguments) {
    List<Object> all = new ArrayList<>(List.of(arguments));
    all.addAll(List.of("--model", TINY));
    return run(all.toArray());
  }

  /** Runs the program with text on standard input. */
  static Cli typed(String input, Object... arguments) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    String[] strings = new String[arguments.length];
    for (int i = 0; i < strings.length; i++) {
      strings[i] = arguments[i].toString();
    }
    int exitCode =
        Main.run(
            new Console(
                new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)),
                new PrintStream(out, true, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8),
                StandardCharsets.UTF_8,
                false,
                false,
                false),
            strings);
    return new Cli(exitCode, out.toByteArray(), err.toString(StandardCharsets.UTF_8));
  }

  String text() {
    return new String(stdout, StandardCharsets.UTF_8);
  }

  /** {@return standard output, which must be one JSON object} */
  JsonObject json() {
    return JsonParser.parseString(text()).getAsJsonObject();
  }
}
