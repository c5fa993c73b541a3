/**
 * The command line.
 *
 * <p><b>Purpose.</b> Everything that the library does, from a shell: answers on standard output,
 * progress and notes on standard error, exit code 0 when it worked, 1 when it did not, 2 when the
 * command line was wrong, 130 after Ctrl-C.
 *
 * <p><b>Decisions.</b> One command a class. A run takes its streams as an argument, so that tests
 * call it in their own process. Ctrl-C is a shutdown hook that cancels and waits: signal handlers
 * are not in the Java API.
 */
package dev.diptych.examples.cli;
