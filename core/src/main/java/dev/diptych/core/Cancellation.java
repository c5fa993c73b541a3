package dev.diptych.core;

/**
 * A switch that ends a generation from any thread, also before it has begun. Once cancelled it
 * stays so.
 */
public final class Cancellation {
  private final Cancellation parent;
  private volatile boolean cancelled;

  /** Creates a switch that is not yet thrown. */
  public Cancellation() {
    this(null);
  }

  /** A switch that is also thrown when its parent is. */
  Cancellation(Cancellation parent) {
    this.parent = parent;
  }

  /** Asks every generation that holds this switch to end within one step. */
  public void cancel() {
    cancelled = true;
  }

  /** {@return whether {@link #cancel()} was called} */
  public boolean cancelled() {
    return cancelled || (parent != null && parent.cancelled());
  }
}
