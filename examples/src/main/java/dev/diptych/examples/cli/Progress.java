package dev.diptych.examples.cli;

import java.io.PrintStream;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** A bar on standard error while a person waits; nothing when nobody looks. */
final class Progress implements AutoCloseable {
  private static final int WIDTH = 79;

  private final Console console;
  private final boolean shown;
  private final String task;
  private final String unit;
  private ProgressBar bar;

  /**
   * Creates a bar that appears at its first step.
   *
   * @param shown whether it may appear at all
   * @param unit of the steps, with a leading space
   */
  Progress(Console console, boolean shown, String task, String unit) {
    this.console = console;
    this.shown = shown;
    this.task = task;
    this.unit = unit;
  }

  /** Moves the bar. */
  void to(long done, long total) {
    if (!shown) {
      return;
    }
    if (bar == null) {
      PrintStream err = console.err();
      bar =
          new ProgressBarBuilder()
              .setTaskName(task)
              .setUnit(unit, 1)
              .setInitialMax(total)
              .setUpdateIntervalMillis(200)
              .setStyle(
                  console.charset().newEncoder().canEncode('\u2588')
                      ? ProgressBarStyle.UNICODE_BLOCK
                      : ProgressBarStyle.ASCII)
              .showSpeed()
              .setConsumer(new ConsoleProgressBarConsumer(err, WIDTH))
              .build();
    }
    bar.maxHint(total);
    bar.stepTo(done);
  }

  /** Leaves the finished bar on its line. */
  @Override
  public void close() {
    if (bar != null) {
      bar.close();
      bar = null;
    }
  }
}
