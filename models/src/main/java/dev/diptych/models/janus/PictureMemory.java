package dev.diptych.models.janus;

import dev.diptych.core.Image;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongSupplier;

/**
 * Keys and values of conversations' beginnings up to their last picture. A conversation that begins
 * with the same tokens and the same pictures, pixel by pixel, takes them over. What was used
 * longest ago is given up first. Safe for several threads.
 */
final class PictureMemory implements AutoCloseable {
  private final JanusTransformer transformer;
  private final long limit;
  // The one that was used last stands last.
  private final Map<Beginning, JanusTransformer.Cache> kept =
      new LinkedHashMap<>(16, 0.75f, true);
  private long bytes;
  private boolean closed;

  /**
   * Creates an empty one.
   *
   * @param limit bytes; 0 keeps nothing
   */
  PictureMemory(JanusTransformer transformer, long limit) {
    this.transformer = transformer;
    this.limit = limit;
  }

  /**
   * What a conversation begins with.
   *
   * @param ids tokens up to the last picture's end
   * @param pictures digests of the pictures, in order
   */
  record Beginning(List<Integer> ids, List<String> pictures) {
    /**
     * {@return what a turn begins with; nothing before a picture ends belongs to the question}
     *
     * @param end how many tokens, of which the last is a picture's last
     */
    static Beginning of(int[] ids, int end, List<Image> pictures) {
      return new Beginning(
          Arrays.stream(ids, 0, end).boxed().toList(),
          pictures.stream().map(PictureMemory::digest).toList());
    }
  }

  /** {@return whether anything is ever kept} */
  boolean keeps() {
    return limit > 0;
  }

  /**
   * Copies what is known of a beginning.
   *
   * @param target a cache of one row with room for it
   * @return whether it was known
   */
  synchronized boolean recall(Beginning beginning, JanusTransformer.Cache target) {
    JanusTransformer.Cache known = kept.get(beginning);
    if (known == null) {
      return false;
    }
    transformer.copyCache(known, target, known.capacity());
    return true;
  }

  /**
   * Keeps a beginning where it fits, in place of older ones.
   *
   * @param source a cache of one row that holds it from its first position on
   * @param room tells bytes that may be taken beside what is kept
   */
  synchronized void keep(Beginning beginning, JanusTransformer.Cache source, LongSupplier room) {
    int length = beginning.ids().size();
    long more = transformer.cacheBytes(1, length);
    if (closed || more > limit || kept.containsKey(beginning)) {
      return;
    }
    giveUp(limit - more);
    if (room.getAsLong() < more) {
      return;
    }
    JanusTransformer.Cache copy = transformer.newCache(1, length);
    try {
      transformer.copyCache(source, copy, length);
    } catch (RuntimeException | Error e) {
      copy.close();
      throw e;
    }
    kept.put(beginning, copy);
    bytes += more;
  }

  /** {@return bytes that are kept} */
  synchronized long bytes() {
    return bytes;
  }

  /** Gives up what was used longest ago until so many bytes at most are kept. */
  synchronized void giveUp(long most) {
    Iterator<Map.Entry<Beginning, JanusTransformer.Cache>> oldest = kept.entrySet().iterator();
    while (bytes > most) {
      JanusTransformer.Cache cache = oldest.next().getValue();
      bytes -= transformer.cacheBytes(1, cache.capacity());
      cache.close();
      oldest.remove();
    }
  }

  private static String digest(Image image) {
    try {
      MessageDigest sha = MessageDigest.getInstance("SHA-256");
      sha.update(
          ByteBuffer.allocate(2 * Integer.BYTES)
              .putInt(image.width())
              .putInt(image.height())
              .array());
      sha.update(image.rgb());
      image.alpha().ifPresent(sha::update);
      return HexFormat.of().formatHex(sha.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("Every Java has SHA-256", e);
    }
  }

  @Override
  public synchronized void close() {
    closed = true;
    giveUp(0);
  }
}
