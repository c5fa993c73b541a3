package dev.diptych.examples.cli;

import dev.diptych.core.DiptychException;
import dev.diptych.core.GenerationCancelledException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import picocli.CommandLine;
import picocli.CommandLine.Model.OptionSpec;

/** Turns what was thrown into a message and an exit code. */
final class Failures {
  /** What a shell expects of a program that was interrupted: 128 and the signal's number. */
  static final int INTERRUPTED = 130;

  private Failures() {}

  /** Tells a failure of a command and returns its exit code. */
  static int tell(Console console, CommandLine command, Throwable failure) {
    if (failure instanceof GenerationCancelledException || Interrupt.ending()) {
      console.err().println("cancelled");
      return INTERRUPTED;
    }
    if (isSet(command, "--json")) {
      Report.print(console, Report.error(failure));
    }
    console.err().println("diptych: " + message(failure));
    if (isSet(command, "--verbose") || !expected(failure)) {
      failure.printStackTrace(console.err());
    }
    console.err().flush();
    return CommandLine.ExitCode.SOFTWARE;
  }

  /** {@return a message for people} */
  static String message(Throwable failure) {
    // One that was wrapped with a message of its own says more than its cause.
    boolean bare =
        failure instanceof UncheckedIOException
            && failure.getCause().toString().equals(failure.getMessage());
    Throwable cause = bare ? failure.getCause() : failure;
    if (cause instanceof NoSuchFileException missing) {
      return "No such file: " + missing.getFile();
    }
    if (cause instanceof AccessDeniedException denied) {
      return "Not allowed: " + denied.getFile();
    }
    if (cause instanceof FileSystemException system && system.getReason() != null) {
      return system.getReason() + ": " + system.getFile();
    }
    if (cause instanceof OutOfMemoryError) {
      return "Out of memory: " + cause.getMessage() + "\n  remedy   a larger heap: java -Xmx2g -jar …";
    }
    return cause.getMessage() == null ? cause.toString() : cause.getMessage();
  }

  /** What a user can bring about; anything else is a fault of the program and shows its trace. */
  private static boolean expected(Throwable failure) {
    return failure instanceof DiptychException
        || failure instanceof UncheckedIOException
        || failure instanceof IOException
        || failure instanceof InvalidPathException
        || failure instanceof OutOfMemoryError;
  }

  private static boolean isSet(CommandLine command, String option) {
    OptionSpec spec = command.getCommandSpec().findOption(option);
    return spec != null && Boolean.TRUE.equals(spec.getValue());
  }
}
