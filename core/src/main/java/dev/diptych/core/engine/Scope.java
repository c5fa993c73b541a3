package dev.diptych.core.engine;

import java.util.ArrayList;
import java.util.List;

/** Frees together what was made together. Not for several threads. */
public final class Scope implements AutoCloseable {
  private final List<AutoCloseable> held = new ArrayList<>();

  /** Creates an empty scope. */
  public Scope() {}

  /** Takes a resource over: it is closed with the scope. */
  public <T extends AutoCloseable> T add(T resource) {
    held.add(resource);
    return resource;
  }

  /** Closes everything, the newest first, even when one of them fails. */
  @Override
  public void close() {
    RuntimeException failure = null;
    for (int i = held.size() - 1; i >= 0; i--) {
      try {
        held.get(i).close();
      } catch (Exception e) {
        RuntimeException r =
            e instanceof RuntimeException runtime ? runtime : new IllegalStateException(e);
        if (failure == null) {
          failure = r;
        } else {
          failure.addSuppressed(r);
        }
      }
    }
    held.clear();
    if (failure != null) {
      throw failure;
    }
  }
}
