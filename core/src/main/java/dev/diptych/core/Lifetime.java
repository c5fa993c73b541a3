package dev.diptych.core;

import java.util.ArrayList;
import java.util.List;

/**
 * Keeps what a model holds in native memory alive while somebody uses it. {@link #close} turns
 * newcomers away, asks those inside to leave, waits for the last one, and frees once.
 */
public final class Lifetime {
  private final String what;
  private final List<Thread> inside = new ArrayList<>();
  private boolean closed;
  private boolean freed;

  /**
   * Begins a life.
   *
   * @param what the noun for messages, such as {@code "model Janus-Pro-1B"}
   */
  public Lifetime(String what) {
    this.what = what;
  }

  /** One user inside; closing it twice counts once. */
  public final class Lease implements AutoCloseable {
    private final Thread user = Thread.currentThread();
    private boolean left;

    private Lease() {}

    @Override
    public void close() {
      synchronized (Lifetime.this) {
        if (!left) {
          left = true;
          inside.remove(user);
          Lifetime.this.notifyAll();
        }
      }
    }
  }

  /**
   * Enters.
   *
   * @throws IllegalStateException after {@link #close}
   */
  public synchronized Lease enter() {
    requireOpen();
    inside.add(Thread.currentThread());
    return new Lease();
  }

  /** Throws {@link IllegalStateException} after {@link #close}. */
  public synchronized void requireOpen() {
    if (closed) {
      throw new IllegalStateException("The " + what + " is closed");
    }
  }

  /** {@return whether {@link #close} was called; those inside leave at their next step} */
  public synchronized boolean closed() {
    return closed;
  }

  /**
   * Turns newcomers away, waits until everyone has left, then frees. A second call waits for the
   * first and frees nothing.
   *
   * @param free frees the native memory
   * @throws IllegalStateException if the caller is inside itself: it would wait for ever
   */
  public void close(Runnable free) {
    boolean interrupted = false;
    synchronized (this) {
      if (inside.contains(Thread.currentThread())) {
        throw new IllegalStateException("A listener cannot close the " + what + " that it hears of");
      }
      closed = true;
      while (!inside.isEmpty()) {
        try {
          wait();
        } catch (InterruptedException e) {
          // Freeing under a running native call would crash the process: wait on, tell later.
          interrupted = true;
        }
      }
      if (!freed) {
        freed = true;
        free.run();
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
