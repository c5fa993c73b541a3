package dev.diptych.core.engine;

import dev.diptych.core.weights.Checkpoint;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Reads files straight into the memory of tensors, or into the page cache alone, several pieces at
 * once: from a warm page cache that is one copy at the memory's speed. A tensor must stay open until {@link #finish} or {@link
 * #close} has come back, whatever they throw.
 */
final class DirectReads implements AutoCloseable {
  // One thread does not reach the memory's speed, many add nothing and disturb a disk that turns.
  private static final int THREADS = Math.min(4, Runtime.getRuntime().availableProcessors());
  /** Bytes that one thread reads at once. */
  static final int PIECE = 8 << 20;


  private final List<Future<?>> reads = new ArrayList<>();
  private final ThreadLocal<ByteBuffer> scratch = new ThreadLocal<>();
  private ExecutorService threads;

  /**
   * Begins to read rows.
   *
   * @param into the tensor's memory where they belong, as large as they are
   */
  void begin(Checkpoint checkpoint, WeightLoader.Slice.Piece piece, ByteBuffer into) {
    if (!into.hasRemaining()) {
      return;
    }
    int rowBytes = Math.toIntExact(into.remaining() / piece.rows());
    long atOnce = Math.max(1, PIECE / rowBytes);
    for (long done = 0; done < piece.rows(); done += atOnce) {
      long first = piece.firstRow() + done;
      long rows = Math.min(atOnce, piece.rows() - done);
      ByteBuffer part =
          into.slice(
              into.position() + Math.toIntExact(done * rowBytes), Math.toIntExact(rows * rowBytes));
      submit(() -> checkpoint.readRows(piece.tensor(), first, rows, part));
    }
  }

  /**
   * Begins to read rows into the page cache alone.
   *
   * @param bytes of these rows, for which each thread keeps a buffer
   */
  void beginAndForget(Checkpoint checkpoint, String tensor, long first, long rows, long bytes) {
    int length = Math.toIntExact(bytes);
    submit(
        () -> {
          ByteBuffer buffer = scratch.get();
          if (buffer == null || buffer.capacity() < length) {
            buffer = ByteBuffer.allocateDirect(Math.max(length, PIECE));
            scratch.set(buffer);
          }
          checkpoint.readRows(tensor, first, rows, buffer.clear().limit(length));
        });
  }

  private void submit(Runnable read) {
    if (threads == null) {
      threads = Executors.newFixedThreadPool(THREADS, DirectReads::daemon);
    }
    reads.add(threads.submit(read));
  }

  private static Thread daemon(Runnable work) {
    Thread thread = new Thread(work, "diptych-read");
    thread.setDaemon(true);
    return thread;
  }

  /**
   * Waits until everything that was begun is read or has failed. An interrupt does not end it: the
   * memory must not be given back before; the flag stays for the caller to see.
   *
   * @throws RuntimeException the first failure, as the checkpoint told it
   */
  void finish() {
    boolean interrupted = false;
    Throwable failure = null;
    for (Future<?> read : reads) {
      while (true) {
        try {
          read.get();
          break;
        } catch (InterruptedException e) {
          interrupted = true;
        } catch (ExecutionException e) {
          failure = failure == null ? e.getCause() : failure;
          break;
        }
      }
    }
    reads.clear();
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    if (failure instanceof Error error) {
      throw error;
    }
    if (failure instanceof RuntimeException exception) {
      throw exception;
    }
  }

  /** Waits likewise, says nothing of failures, and ends the threads. */
  @Override
  public void close() {
    try {
      finish();
    } catch (RuntimeException | Error e) {
      // The caller is on its way out with a failure already, or asked for finish() before.
    } finally {
      if (threads != null) {
        threads.shutdown();
      }
    }
  }
}
