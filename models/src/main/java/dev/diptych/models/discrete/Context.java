package dev.diptych.models.discrete;

import dev.diptych.core.GenerationRun;
import dev.diptych.core.engine.PromptChunks;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.Value;
import java.util.Arrays;
import java.util.function.LongConsumer;

/**
 * A sequence of tokens and how much of it the cache holds. What was read is never read again; a
 * sequence that is cut keeps what stands before the cut.
 */
final class Context implements AutoCloseable {
  // So much more than is asked for, so that neither an answer nor every turn of a chat copies the cache.
  private static final int GROWTH = 256;

  private final DiscreteTransformer transformer;
  private final int limit;
  private final LongConsumer requireMemory;
  private int[] ids = new int[64];
  private int length;
  private int read;
  private DiscreteTransformer.Cache cache;

  /**
   * Begins an empty sequence.
   *
   * @param limit most tokens
   * @param requireMemory refuses bytes that do not fit
   */
  Context(DiscreteTransformer transformer, int limit, LongConsumer requireMemory) {
    this.transformer = transformer;
    this.limit = limit;
    this.requireMemory = requireMemory;
  }

  /** {@return how many tokens} */
  int length() {
    return length;
  }

  /** {@return how many of them the cache holds} */
  int cached() {
    return read;
  }

  /** {@return a copy of all tokens} */
  int[] ids() {
    return Arrays.copyOf(ids, length);
  }

  DiscreteTransformer.Cache cache() {
    return cache;
  }

  /** Appends tokens, to be read by the next native call. */
  void add(int... more) {
    if (length + more.length > ids.length) {
      ids = Arrays.copyOf(ids, Math.max(2 * ids.length, length + more.length));
    }
    System.arraycopy(more, 0, ids, length, more.length);
    length += more.length;
  }

  /** Says that a native call of the caller's has read all tokens but the last so many. */
  void readAllBut(int unread) {
    read = length - unread;
  }

  /** Cuts the sequence; the cache keeps what stands before the cut. */
  void truncate(int length) {
    this.length = Math.min(this.length, length);
    this.read = Math.min(this.read, length);
  }

  /** {@return bytes that room for so many positions takes beside what is there} */
  long growth(int capacity) {
    return cache != null && cache.capacity() >= capacity
        ? 0
        : transformer.cacheBytes(1, grown(capacity));
  }

  private int grown(int capacity) {
    return (int) Math.min(limit, capacity + (long) GROWTH);
  }

  /**
   * Makes room in the cache.
   *
   * @param capacity positions that must fit, at most the limit
   * @throws dev.diptych.core.ResourceLimitException if they cannot be had
   */
  void reserve(int capacity) {
    if (cache != null && cache.capacity() >= capacity) {
      return;
    }
    int grown = grown(capacity);
    requireMemory.accept(transformer.cacheBytes(1, grown));
    DiscreteTransformer.Cache larger = transformer.newCache(1, grown);
    if (cache != null) {
      try {
        transformer.copyCache(cache, larger, read);
      } catch (RuntimeException | Error e) {
        larger.close();
        throw e;
      }
      cache.close();
    }
    cache = larger;
  }

  /**
   * Reads what is unread.
   *
   * @return [1, D] the hidden state of the last token, held by the scope
   */
  Value read(GenerationRun run, Scope scope) {
    readChunks(run);
    run.step();
    int from = read;
    Value hidden = scope.add(transformer.prefill(unread(), cache, from));
    read = length;
    return hidden;
  }

  /**
   * Reads what is unread and draws the token behind it.
   *
   * @param turn where the tokens begin that the repetition penalty counts
   */
  int next(
      GenerationRun run,
      DiscreteTransformer.Sampling sampling,
      boolean mayDraw,
      int turn,
      long bits) {
    readChunks(run);
    run.step();
    int[] seen = sampling.penalises() ? Arrays.copyOfRange(ids, turn, length) : new int[0];
    int id = sampling.decodeText(unread(), cache, read, mayDraw, seen, bits);
    read = length;
    return id;
  }

  /** Reads what is unread and chooses the token behind it, one of a few. */
  int next(
      GenerationRun run, DiscreteTransformer.Sampling sampling, int[] choices, long bits) {
    readChunks(run);
    run.step();
    int id = sampling.decodeChoice(unread(), cache, read, choices, bits);
    read = length;
    return id;
  }

  /** Reads chunks until the rest, never nothing, fits into one. */
  private void readChunks(GenerationRun run) {
    reserve(length);
    for (int size = PromptChunks.next(length - read);
        size < length - read;
        size = PromptChunks.next(length - read)) {
      run.step();
      transformer.prefill(Arrays.copyOfRange(ids, read, read + size), cache, read).close();
      read += size;
    }
  }

  private int[] unread() {
    return Arrays.copyOfRange(ids, read, length);
  }

  @Override
  public void close() {
    if (cache != null) {
      cache.close();
      cache = null;
    }
    read = 0;
  }
}
