package dev.diptych.examples.cli;

import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The streams of one run.
 *
 * @param in what is typed
 * @param out answers
 * @param err progress, notes and errors
 * @param charset of the three
 * @param inIsTerminal whether a person types
 * @param outIsTerminal whether a person reads the answers as they come
 * @param errIsTerminal whether a progress bar can be drawn
 */
record Console(
    InputStream in,
    PrintStream out,
    PrintStream err,
    Charset charset,
    boolean inIsTerminal,
    boolean outIsTerminal,
    boolean errIsTerminal) {

  /** {@return the streams of this process} */
  static Console ofProcess() {
    Charset charset = processCharset();
    return new Console(
        new FileInputStream(FileDescriptor.in),
        new PrintStream(new FileOutputStream(FileDescriptor.out), false, charset),
        new PrintStream(new FileOutputStream(FileDescriptor.err), true, charset),
        charset,
        isTerminal(0),
        isTerminal(1),
        isTerminal(2));
  }

  /** UTF-8 everywhere, except in the window of a Windows shell, which has a code page. */
  private static Charset processCharset() {
    String page = System.getProperty("sun.stdout.encoding");
    return System.console() != null && page != null && Charset.isSupported(page)
        ? Charset.forName(page)
        : StandardCharsets.UTF_8;
  }

  /** The JDK knows only of input and output together; Linux tells each. */
  private static boolean isTerminal(int descriptor) {
    Path link = Path.of("/proc/self/fd/" + descriptor);
    if (!Files.isSymbolicLink(link)) {
      return System.console() != null;
    }
    try {
      String target = Files.readSymbolicLink(link).toString();
      return target.startsWith("/dev/pts/") || target.startsWith("/dev/tty");
    } catch (IOException e) {
      return false;
    }
  }
}
