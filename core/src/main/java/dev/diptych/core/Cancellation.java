package dev.diptych.core;

/**
 * A switch that ends a generation from any thread, also before it has begun. Once cancelled it
 * stays so.
 */
public final class Cancellation {
  private volatile boolean cancelled;

  /** Creates a switch that is not yet thrown. */
  public Cancellation() {}

  /** Asks every generation that holds this switch to end within one step. */
  public void cancel() {
    cancelled = true;
  }

  /** {@return whether {@link #cancel()} was called} */
  public boolean cancelled() {
    return cancelled;
  }
}
