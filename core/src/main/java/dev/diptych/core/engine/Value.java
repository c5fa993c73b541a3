package dev.diptych.core.engine;

import ai.djl.pytorch.jni.IValue;
import java.util.concurrent.atomic.AtomicLong;

/**
 * An argument or result of a script: a handle on something in native memory. Close it, or add it to
 * a {@link Scope}; what a script still holds inside a list or dictionary stays alive there.
 */
public final class Value implements AutoCloseable {
  private static final AtomicLong LIVE = new AtomicLong();

  private final TorchDevice device;
  // Zero-copy tensors live in this buffer: it must not be collected before they are.
  private final Object memory;
  private final Runnable onClose;
  private IValue handle;

  Value(TorchDevice device, IValue handle, Object memory) {
    this(device, handle, memory, () -> {});
  }

  Value(TorchDevice device, IValue handle, Object memory, Runnable onClose) {
    this.device = device;
    this.handle = handle;
    this.memory = memory;
    this.onClose = onClose;
    LIVE.incrementAndGet();
  }

  /** {@return how many values are open in this process; a leak shows as a number that grows} */
  public static long live() {
    return LIVE.get();
  }

  /** {@return the numbers of a float32 tensor, row-major} */
  public float[] toFloats() {
    return device.floats(this);
  }

  /** {@return the numbers of an int64 tensor, row-major} */
  public long[] toLongs() {
    return device.longs(this);
  }

  synchronized IValue handle() {
    if (handle == null) {
      throw new IllegalStateException("The value is closed");
    }
    return handle;
  }

  Object memory() {
    return memory;
  }

  /** Frees the handle. Closing again does nothing. */
  @Override
  public synchronized void close() {
    if (handle != null) {
      handle.close();
      handle = null;
      LIVE.decrementAndGet();
      onClose.run();
    }
  }
}
