package dev.diptych.testing;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Runs a main class of the tests in a JVM of its own, with the class path of the tests: for what
 * may end the process, or needs other JVM options. A step of the child that must not be reached
 * should end in an exit code of its own.
 */
public final class ForkedJvm {
  private final Class<?> main;
  private final List<String> options = new ArrayList<>();
  private final List<String> arguments = new ArrayList<>();
  private final Map<String, String> environment = new LinkedHashMap<>();
  private final List<String> leftOut = new ArrayList<>();
  private Duration timeout = Duration.ofMinutes(2);

  /**
   * How a child ended.
   *
   * @param exitCode its exit status; 128 + n, or n, for a signal n (134 is an abort, 139 a
   *     segmentation fault)
   * @param output what it wrote to standard output and standard error
   */
  public record Result(int exitCode, String output) {}

  private ForkedJvm(Class<?> main) {
    this.main = main;
  }

  /** A child that runs {@code main.main(String[])}. */
  public static ForkedJvm of(Class<?> main) {
    return new ForkedJvm(main);
  }

  /** Adds JVM options, for example {@code "-Xmx256m"} or {@code "-Duser.language=tr"}. */
  public ForkedJvm options(String... more) {
    options.addAll(List.of(more));
    return this;
  }

  /** Adds arguments of the main class. */
  public ForkedJvm arguments(Object... more) {
    for (Object argument : more) {
      arguments.add(argument.toString());
    }
    return this;
  }

  /** Sets an environment variable. */
  public ForkedJvm environment(String name, String value) {
    environment.put(name, value);
    return this;
  }

  /** Leaves out of the class path what has this in its name. */
  public ForkedJvm without(String jar) {
    leftOut.add(jar);
    return this;
  }

  /** Sets how long the child may run; by default two minutes. */
  public ForkedJvm timeout(Duration timeout) {
    this.timeout = timeout;
    return this;
  }

  /**
   * Runs the child to its end.
   *
   * @throws AssertionError if it does not end in time; it is killed and the message has its output
   */
  public Result run() {
    try {
      // a crash writes its files into the working folder
      Path folder = Files.createTempDirectory("forked-jvm");
      try {
        Path output = folder.resolve("output.log");
        Process process = start(folder, output);
        boolean ended = process.waitFor(timeout.toMillis(), TimeUnit.MILLISECONDS);
        if (!ended) {
          process.destroyForcibly().waitFor();
        }
        String text = Files.readString(output, StandardCharsets.ISO_8859_1);
        if (!ended) {
          throw new AssertionError(main.getName() + " ran longer than " + timeout + "\n" + text);
        }
        return new Result(process.exitValue(), text);
      } finally {
        delete(folder);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while waiting for " + main.getName(), e);
    }
  }

  private Process start(Path folder, Path output) throws IOException {
    // surefire may start this JVM with a jar that only points to the real class path
    String classPath =
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    classPath =
        Arrays.stream(classPath.split(Pattern.quote(File.pathSeparator)))
            .filter(entry -> leftOut.stream().noneMatch(entry::contains))
            .collect(Collectors.joining(File.pathSeparator));
    List<String> command = new ArrayList<>();
    command.add(System.getProperty("java.home") + File.separator + "bin" + File.separator + "java");
    command.add("-XX:-CreateCoredumpOnCrash");
    String root = System.getProperty("diptych.root");
    if (root != null) {
      command.add("-Ddiptych.root=" + root);
    }
    command.addAll(options);
    command.addAll(List.of("-cp", classPath, main.getName()));
    command.addAll(arguments);
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .directory(folder.toFile())
            .redirectErrorStream(true)
            .redirectOutput(output.toFile());
    builder.environment().putAll(environment);
    return builder.start();
  }

  private static void delete(Path folder) throws IOException {
    try (Stream<Path> paths = Files.walk(folder)) {
      for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(path);
      }
    }
  }
}
