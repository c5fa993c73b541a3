package dev.diptych.core.weights;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.ResourceLimitException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Objects;

/**
 * An open file whose size was fixed when it was opened. Every access is checked against that size
 * and against the size now, so a file that shrinks gives an error and never a signal.
 */
final class FileBytes implements AutoCloseable {
  private final Path path;
  private final long size;
  private final Object key;
  private FileChannel channel;
  private boolean closed;

  private FileBytes(Path path, FileChannel channel, long size, Object key) {
    this.path = path;
    this.channel = channel;
    this.size = size;
    this.key = key;
  }

  static FileBytes open(Path path) {
    if (Files.isDirectory(path)) {
      throw new CheckpointException(path + " is a folder; expected a file");
    }
    FileChannel channel = null;
    try {
      channel = FileChannel.open(path, StandardOpenOption.READ);
      return new FileBytes(path, channel, channel.size(), keyOf(path));
    } catch (NoSuchFileException e) {
      throw new CheckpointException(path + " is missing", e);
    } catch (IOException e) {
      closeQuietly(channel);
      throw new CheckpointException("Cannot open " + path + ": " + e.getMessage(), e);
    }
  }

  Path path() {
    return path;
  }

  long size() {
    return size;
  }

  /** A copy of the bytes in a direct little-endian buffer. */
  ByteBuffer read(long position, long length, String what) {
    ByteBuffer buffer = direct(length, what);
    read(position, buffer);
    return buffer.flip().order(ByteOrder.LITTLE_ENDIAN);
  }

  byte[] bytes(long position, int length) {
    byte[] bytes = new byte[length];
    read(position, ByteBuffer.wrap(bytes));
    return bytes;
  }

  /**
   * Fills the buffer. An interrupt of this thread closes a channel for every thread, so the channel
   * is opened again, the read finished, and the flag left for the caller to see.
   */
  void read(long position, ByteBuffer into) {
    Objects.checkFromIndexSize(position, into.remaining(), size);
    int start = into.position();
    boolean interrupted = false;
    try {
      while (true) {
        try {
          FileChannel open = channel();
          into.position(start);
          long at = position;
          while (into.hasRemaining()) {
            int count = open.read(into, at);
            if (count < 0) {
              throw shrank(at);
            }
            at += count;
          }
          return;
        } catch (ClosedByInterruptException e) {
          Thread.interrupted();
          interrupted = true;
        } catch (ClosedChannelException e) {
          // another thread was interrupted in the middle of its read: channel() opens it again
        } catch (IOException e) {
          throw new CheckpointException("Cannot read " + path + ": " + e.getMessage(), e);
        }
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /** The bytes where the page cache has them; they stay valid after {@link #close()}. */
  ByteBuffer map(long position, long length, String what) {
    Objects.checkFromIndexSize(position, length, size);
    checkLength(length, what);
    if (length == 0) {
      return ByteBuffer.allocateDirect(0).asReadOnlyBuffer().order(ByteOrder.LITTLE_ENDIAN);
    }
    while (true) {
      try {
        FileChannel open = channel();
        long now = open.size();
        if (now < position + length) {
          throw shrank(now);
        }
        return open.map(FileChannel.MapMode.READ_ONLY, position, length)
            .order(ByteOrder.LITTLE_ENDIAN);
      } catch (ClosedChannelException e) {
        if (Thread.currentThread().isInterrupted()) {
          return mapInterrupted(position, length, what);
        }
      } catch (IOException e) {
        throw new CheckpointException("Cannot map " + path + ": " + e.getMessage(), e);
      }
    }
  }

  /**
   * Checks that the path still names the file that was opened, as long as it was: for who opens it
   * again by its name.
   *
   * @throws CheckpointException if it was cut or replaced
   */
  void requireUnchanged() {
    try {
      if (!Objects.equals(key, keyOf(path))) {
        throw replaced();
      }
      long now = Files.size(path);
      if (now < size) {
        throw shrank(now);
      }
    } catch (IOException e) {
      throw new CheckpointException("Cannot open " + path + " again: " + e.getMessage(), e);
    }
  }

  private ByteBuffer mapInterrupted(long position, long length, String what) {
    Thread.interrupted();
    try {
      return map(position, length, what);
    } finally {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public synchronized void close() {
    closed = true;
    closeQuietly(channel);
  }

  static ByteBuffer direct(long length, String what) {
    checkLength(length, what);
    try {
      return ByteBuffer.allocateDirect((int) length);
    } catch (OutOfMemoryError e) {
      long allowed = Runtime.getRuntime().maxMemory();
      ResourceLimitException error = new ResourceLimitException(
          what + " needs " + length + " bytes outside the heap and they are not to be had;"
              + " raise -XX:MaxDirectMemorySize (by default the heap's limit, " + allowed
              + " bytes)",
          length, allowed);
      error.initCause(e);
      throw error;
    }
  }

  private static void checkLength(long length, String what) {
    if (length > Integer.MAX_VALUE) {
      throw new ResourceLimitException(
          what + " is " + length + " bytes; one buffer holds at most " + Integer.MAX_VALUE
              + ". Take it in pieces with readRows or mapRows", length, Integer.MAX_VALUE);
    }
  }

  private CheckpointException shrank(long now) {
    return new CheckpointException(
        path + " had " + size + " bytes when it was opened and ends at " + now
            + " now: it was cut while in use");
  }

  private CheckpointException replaced() {
    return new CheckpointException(path + " was replaced while in use; load the model again");
  }

  private synchronized FileChannel channel() throws IOException {
    if (closed) {
      throw new IllegalStateException("The checkpoint " + path + " is closed");
    }
    if (!channel.isOpen()) {
      FileChannel again = FileChannel.open(path, StandardOpenOption.READ);
      if (again.size() != size || !Objects.equals(key, keyOf(path))) {
        again.close();
        throw replaced();
      }
      channel = again;
    }
    return channel;
  }

  private static Object keyOf(Path path) throws IOException {
    return Files.readAttributes(path, BasicFileAttributes.class).fileKey();
  }

  private static void closeQuietly(FileChannel channel) {
    try {
      if (channel != null) {
        channel.close();
      }
    } catch (IOException e) {
      // a file opened for reading has nothing to lose
    }
  }
}
