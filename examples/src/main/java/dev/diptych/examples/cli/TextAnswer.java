package dev.diptych.examples.cli;

import dev.diptych.core.GenerationListener;
import java.io.PrintStream;

/** Prints an answer while it forms, or counts its tokens when nobody would see it form. */
final class TextAnswer implements GenerationListener, AutoCloseable {
  private final Console console;
  private final boolean streamed;
  private final Progress progress;
  private final int most;
  private int pieces;
  private boolean lineOpen;

  /**
   * Creates a listener.
   *
   * @param most tokens that the answer may have
   */
  TextAnswer(Console console, ReportOptions report, int most) {
    this.console = console;
    this.streamed = !report.json;
    this.most = most;
    // On one terminal the words themselves are the progress.
    boolean bar =
        console.errIsTerminal() && !report.quiet && (report.json || !console.outIsTerminal());
    this.progress = new Progress(console, bar, "answering", " pieces");
  }

  @Override
  public void onText(String piece) {
    if (streamed) {
      PrintStream out = console.out();
      out.print(piece);
      out.flush();
      lineOpen = true;
    }
    progress.to(++pieces, most);
  }

  /** Ends the line, also of an answer that was cut off. */
  @Override
  public void close() {
    progress.close();
    if (lineOpen) {
      console.out().println();
      console.out().flush();
      lineOpen = false;
    }
  }
}
