package dev.diptych.models.denoising;

import dev.diptych.core.engine.Value;
import java.util.Arrays;
import java.util.List;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.function.LongConsumer;

/**
 * A sequence of words and pictures, and how much of it the cache holds. What was read is never read
 * again; a sequence that is cut keeps what stands before the cut. Not for several threads.
 */
public final class Context implements AutoCloseable {
  /** Stands in {@link #ids} for a row of a picture. */
  public static final int NO_WORD = -1;

  // Rows read at once: small enough to cancel between, large enough for full matrix speed.
  private static final int CHUNK = 512;
  // A cache that grows does so in steps of this, so that a chat does not copy it at every turn.
  private static final int GROWTH = 256;

  private final DenoisingTransformer transformer;
  private final int limit;
  private final LongConsumer requireMemory;
  private final NavigableMap<Integer, Piece> pieces = new TreeMap<>();
  private int[] ids = new int[64];
  private int[] positions = new int[64];
  private int length;
  private int nextPosition;
  private int read;
  private DenoisingTransformer.Cache cache;

  /**
   * Begins an empty sequence.
   *
   * @param limit most rows
   * @param requireMemory refuses bytes that do not fit
   */
  public Context(DenoisingTransformer transformer, int limit, LongConsumer requireMemory) {
    this.transformer = transformer;
    this.limit = limit;
    this.requireMemory = requireMemory;
  }

  /** {@return how many rows} */
  public int length() {
    return length;
  }

  /** {@return how many of them the cache holds} */
  public int cached() {
    return read;
  }

  /** {@return the position in RoPE of what comes next} */
  public int position() {
    return nextPosition;
  }

  /** {@return the words' ids of all rows, {@link #NO_WORD} for rows of pictures} */
  public int[] ids() {
    return Arrays.copyOf(ids, length);
  }

  /** {@return whether a picture stands in it} */
  public boolean hasPieces() {
    return !pieces.isEmpty();
  }

  /** {@return what was read, null before the first row was} */
  public DenoisingTransformer.Cache cache() {
    return cache;
  }

  /** Appends words. */
  public void add(int... words) {
    grow(words.length);
    for (int word : words) {
      ids[length] = word;
      positions[length++] = nextPosition++;
    }
  }

  /** Appends a picture. */
  public void add(Piece piece) {
    SpanLayout layout = piece.layout();
    grow(layout.rows());
    pieces.put(length, piece);
    for (int i = 0; i < layout.rows(); i++) {
      ids[length] = NO_WORD;
      positions[length++] = nextPosition + (layout.onePosition() ? 0 : i);
    }
    nextPosition += layout.positions();
  }

  /**
   * Leaves positions without rows, as a reference does that computes rows and then hides them from
   * everyone.
   */
  public void skip(int positions) {
    nextPosition += positions;
  }

  private void grow(int more) {
    if (length + more > ids.length) {
      int size = Math.max(2 * ids.length, Math.addExact(length, more));
      ids = Arrays.copyOf(ids, size);
      positions = Arrays.copyOf(positions, size);
    }
  }

  /**
   * Cuts the sequence; the cache keeps what stands before the cut.
   *
   * @param length rows that stay, not a part of a picture
   */
  public void truncate(int length) {
    if (length >= this.length) {
      return;
    }
    pieces.tailMap(length, true).clear();
    this.length = length;
    this.nextPosition = length == 0 ? 0 : positions[length - 1] + 1;
    this.read = Math.min(read, length);
  }

  /**
   * {@return a sequence of the first rows, with a cache of its own into which what was read of them is
   * copied}
   *
   * @param rows not a part of a picture
   * @param capacity rows for which there is room at once
   */
  public Context prefix(int rows, int capacity) {
    Context copy = new Context(transformer, limit, requireMemory);
    copy.grow(rows);
    System.arraycopy(ids, 0, copy.ids, 0, rows);
    System.arraycopy(positions, 0, copy.positions, 0, rows);
    copy.pieces.putAll(pieces.headMap(rows, false));
    copy.length = rows;
    copy.nextPosition = rows == 0 ? 0 : positions[rows - 1] + 1;
    copy.reserve(capacity);
    int known = Math.min(read, rows);
    if (known > 0) {
      try {
        transformer.copyCache(cache, copy.cache, known);
        copy.read = known;
      } catch (RuntimeException | Error e) {
        copy.close();
        throw e;
      }
    }
    return copy;
  }

  /** {@return bytes that room for so many rows takes beside what is there} */
  public long growth(int capacity) {
    return cache != null && cache.capacity() >= capacity
        ? 0
        : transformer.cacheBytes(1, grown(capacity));
  }

  private int grown(int capacity) {
    int grown = cache == null ? capacity : Math.max(capacity, cache.capacity() + GROWTH);
    return Math.min(limit, grown);
  }

  /**
   * Makes room in the cache.
   *
   * @param capacity rows that must fit, at most the limit
   * @throws dev.diptych.core.ResourceLimitException if they cannot be had
   */
  public void reserve(int capacity) {
    if (cache != null && cache.capacity() >= capacity) {
      return;
    }
    int grown = grown(capacity);
    requireMemory.accept(transformer.cacheBytes(1, grown));
    DenoisingTransformer.Cache larger = transformer.newCache(1, grown);
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
   * Reads all that is unread, one native call a picture or a few hundred words.
   *
   * @param step called before every native call; may throw to end it
   */
  public void read(Runnable step) {
    reserve(length);
    readUntil(step, length);
  }

  /**
   * Reads what is unread and draws the token behind it. The last row must be a word that is unread.
   *
   * @param step called before every native call; may throw to end it
   * @param from row from which on the repetition penalty counts words
   * @param mayDraw whether the token may open a picture
   * @param bits 53 random bits
   * @return the id, -1 if the logits are not finite
   */
  public int next(
      Runnable step,
      DenoisingTransformer.Sampling sampling,
      int from,
      boolean mayDraw,
      long bits) {
    if (read == length || ids[length - 1] == NO_WORD) {
      throw new IllegalStateException("There is no unread word to go on from");
    }
    if (cache == null || cache.capacity() < length) {
      // An answer follows, and a cache as long as its prompt would be copied by the first word.
      reserve((int) Math.min(limit, length + (long) GROWTH));
    }
    int words = length - 1;
    while (words > read && length - words < CHUNK && adjoin(words - 1)) {
      words--;
    }
    readUntil(step, words);
    step.run();
    int[] seen =
        sampling.penalises()
            ? Arrays.stream(ids, from, length).filter(id -> id != NO_WORD).toArray()
            : new int[0];
    int[] unread = Arrays.copyOfRange(ids, read, length);
    int id = sampling.next(unread, cache, read, positions[read], mayDraw, seen, bits);
    read = length;
    return id;
  }

  /** Whether a row and the next are words whose positions follow each other: one call reads both. */
  private boolean adjoin(int row) {
    return ids[row] != NO_WORD
        && ids[row + 1] != NO_WORD
        && positions[row] + 1 == positions[row + 1];
  }

  private void readUntil(Runnable step, int end) {
    while (read < end) {
      step.run();
      Piece piece = pieces.get(read);
      if (piece != null) {
        int rows = piece.layout().rows();
        try (Batch batch =
            transformer.batch(
                List.of(cache), new int[] {read}, new int[] {positions[read]}, piece.layout())) {
          piece.read(batch);
        }
        read += rows;
        continue;
      }
      int size = 1;
      while (read + size < end && size < CHUNK && adjoin(read + size - 1)) {
        size++;
      }
      int[] words = Arrays.copyOfRange(ids, read, read + size);
      try (Value hidden = transformer.readWords(words, cache, read, positions[read])) {
        read += size;
      }
    }
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
