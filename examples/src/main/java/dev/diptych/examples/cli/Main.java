package dev.diptych.examples.cli;

import java.io.PrintWriter;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.IVersionProvider;

/** The program {@code diptych}: describes pictures and draws them. */
@Command(
    name = "diptych",
    description =
        "Describes pictures, draws, edits and tells with them, with published checkpoints, on the"
            + " JVM.",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    synopsisSubcommandLabel = "COMMAND",
    footer = {
      "",
      "Without --model every command uses an embedded demo that knows coloured circles, squares,",
      "triangles and stars: a small Janus; for tell, or with --demo chameleon, a small Chameleon;",
      "for edit, or with --demo transfusion, a small Transfusion.",
      "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted."
    })
public final class Main {
  private Main() {}

  /** Runs one command and ends the process with its exit code. */
  public static void main(String[] args) {
    System.exit(run(Console.ofProcess(), args));
  }

  /** Runs one command on the streams given. */
  static int run(Console console, String... args) {
    CommandLine line = commandLine(console);
    try {
      return line.execute(args);
    } catch (Error e) {
      return Failures.tell(console, parsed(line), e);
    } finally {
      console.out().flush();
      console.err().flush();
    }
  }

  static CommandLine commandLine(Console console) {
    CommandLine line =
        new CommandLine(new Main())
            .addSubcommand(new DrawCommand(console))
            .addSubcommand(new EditCommand(console))
            .addSubcommand(new CaptionCommand(console))
            .addSubcommand(new AskCommand(console))
            .addSubcommand(new TellCommand(console))
            .addSubcommand(new ChatCommand(console))
            .addSubcommand(new InspectCommand(console))
            .addSubcommand(new ExportCommand(console))
            .addSubcommand(new DoctorCommand(console))
            .addSubcommand(BenchCommand.commandLine(console))
            .addSubcommand(new EvaluateCommand(console));
    return line.setOut(new PrintWriter(console.out(), true))
        .setErr(new PrintWriter(console.err(), true))
        .setColorScheme(CommandLine.Help.defaultColorScheme(ansi(console)))
        .setUsageHelpWidth(100)
        .setExecutionExceptionHandler((e, command, parse) -> Failures.tell(console, command, e));
  }

  private static Ansi ansi(Console console) {
    return console.outIsTerminal() && console.errIsTerminal() ? Ansi.AUTO : Ansi.OFF;
  }

  /** The command that was asked for. */
  private static CommandLine parsed(CommandLine line) {
    CommandLine.ParseResult result = line.getParseResult();
    while (result != null && result.hasSubcommand()) {
      result = result.subcommand();
    }
    return result == null ? line : result.commandSpec().commandLine();
  }

  /** Runs when no command is given: that is wrong usage. */
  @Command(name = "none")
  static final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() {
      return new String[] {"diptych " + dev.diptych.core.LibraryVersion.VERSION};
    }
  }
}
