package dev.diptych.decoders;

import dev.diptych.core.Image;
import dev.diptych.core.Lifetime;
import dev.diptych.core.engine.Scope;
import dev.diptych.decoders.VqImageDecoder.Grid;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Function;

/**
 * Decoders of pictures of several sizes, each loaded when its size is first drawn. A decoder has its
 * own copy of the weights, so few are kept: the one that was used least recently makes room, and
 * only when nobody draws with it. For any number of threads.
 */
public final class VqImageDecoders implements AutoCloseable {
  /** As often as a decoder at work asks whether to go on. */
  private static final long POLL_MILLIS = 20;

  private final int most;
  private final int atOnce;
  private final Function<Grid, VqImageDecoder> loader;
  private final Lifetime lifetime = new Lifetime("picture decoders");
  // In the order of use, the latest last.
  private final Map<Grid, Kept> kept = new LinkedHashMap<>(4, 0.75f, true);
  private int inside;

  /** A decoder and how many draw with it; null while the first of them loads it. */
  private static final class Kept {
    private VqImageDecoder decoder;
    private int users;
  }

  /**
   * Prepares; nothing is loaded.
   *
   * @param most decoders that are kept, ≥ 1; who needs one more waits until one is free
   * @param atOnce pictures that are drawn at the same time, ≥ 1
   * @param loader loads the decoder of a size
   */
  public VqImageDecoders(int most, int atOnce, Function<Grid, VqImageDecoder> loader) {
    if (most < 1 || atOnce < 1) {
      throw new IllegalArgumentException(
          "Cannot keep " + most + " decoders for " + atOnce + " pictures; expected at least 1");
    }
    this.most = most;
    this.atOnce = atOnce;
    this.loader = loader;
  }

  /**
   * Draws a picture.
   *
   * @param codes [P] row by row, {@link VqImageDecoder#MISSING} where not known
   * @param whole whether all are known
   * @param step asked about fifty times a second, while a decoder works and while one is waited
   *     for; what it throws ends the work and is thrown here
   * @throws IllegalStateException after {@link #close}
   */
  public Image draw(int[] codes, Grid grid, boolean whole, Runnable step) {
    try (Lifetime.Lease lease = lifetime.enter()) {
      Kept mine = enter(grid, step);
      try {
        VqImageDecoder decoder = loaded(mine, grid);
        return whole
            ? decoder.draw(new int[][] {codes}, step).get(0)
            : decoder.drawPartial(codes, step);
      } finally {
        leave(mine, grid);
      }
    }
  }

  /**
   * Loads the decoder of a size before it is needed.
   *
   * @return the decoder, to ask what it draws; it may be closed any time
   */
  public VqImageDecoder load(Grid grid) {
    try (Lifetime.Lease lease = lifetime.enter()) {
      Kept mine = enter(grid, () -> {});
      try {
        return loaded(mine, grid);
      } finally {
        leave(mine, grid);
      }
    }
  }

  private Kept enter(Grid grid, Runnable step) {
    boolean interrupted = false;
    try {
      while (true) {
        step.run();
        synchronized (this) {
          Kept mine = free(grid);
          if (mine != null) {
            mine.users++;
            inside++;
            return mine;
          }
          try {
            wait(POLL_MILLIS);
          } catch (InterruptedException e) {
            interrupted = true;
          }
        }
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /** {@return the place of a size, or null while there is none to have} */
  private Kept free(Grid grid) {
    if (inside == atOnce) {
      return null;
    }
    Kept found = kept.get(grid);
    if (found != null) {
      return found.decoder == null ? null : found;
    }
    if (kept.size() == most && !makeRoom()) {
      return null;
    }
    Kept fresh = new Kept();
    kept.put(grid, fresh);
    return fresh;
  }

  private boolean makeRoom() {
    for (Iterator<Kept> all = kept.values().iterator(); all.hasNext(); ) {
      Kept oldest = all.next();
      if (oldest.users == 0) {
        all.remove();
        oldest.decoder.close();
        return true;
      }
    }
    return false;
  }

  /** Only who made the place comes here without a decoder: all others wait for it. */
  private VqImageDecoder loaded(Kept mine, Grid grid) {
    synchronized (this) {
      if (mine.decoder != null) {
        return mine.decoder;
      }
    }
    VqImageDecoder decoder = loader.apply(grid);
    synchronized (this) {
      mine.decoder = decoder;
      notifyAll();
    }
    return decoder;
  }

  private synchronized void leave(Kept mine, Grid grid) {
    mine.users--;
    inside--;
    if (mine.decoder == null) {
      kept.remove(grid);
    }
    notifyAll();
  }

  /** Turns newcomers away, waits for those inside, then frees every decoder. */
  @Override
  public void close() {
    lifetime.close(
        () -> {
          try (Scope scope = new Scope()) {
            kept.values().forEach(one -> scope.add(one.decoder));
            kept.clear();
          }
        });
  }
}
