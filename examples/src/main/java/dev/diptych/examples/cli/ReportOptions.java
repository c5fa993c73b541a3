package dev.diptych.examples.cli;

import java.io.PrintStream;
import picocli.CommandLine.Option;

/** How a command tells what it did. */
final class ReportOptions {
  @Option(names = "--json", description = "Print one JSON object on standard output.")
  boolean json;

  @Option(
      names = {"-q", "--quiet"},
      description = "No progress bar and no notes on standard error.")
  boolean quiet;

  @Option(
      names = {"-v", "--verbose"},
      description = "Show the stack trace of an error.")
  boolean verbose;

  /** Says something to the person at the terminal. */
  void note(Console console, String text) {
    if (!quiet) {
      PrintStream err = console.err();
      err.println(text);
      err.flush();
    }
  }
}
