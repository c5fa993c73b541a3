package dev.diptych.core.weights;

import dev.diptych.core.CheckpointException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** The directory at the end of a zip, with the 64-bit form that torch.save always adds. */
final class ZipDirectory {
  static final int MAX_NAME = 1024;
  static final long UNSIGNED = 0xffff_ffffL;

  private static final int MAX_ENTRIES = 20_000;
  private static final int DIRECTORY_HEADER = 0x02014b50;
  private static final int END = 0x06054b50;
  private static final int END_64 = 0x06064b50;
  private static final int END_64_LOCATOR = 0x07064b50;
  private static final int EXTRA_ZIP64 = 0x0001;
  private static final int EXTRA_PADDING = 'F' | 'B' << 8;

  private final FileBytes file;

  /** One line of the directory; {@code local} is where the entry's own header lies. */
  record Listed(String name, int flags, int method, int crc, long size, long local) {}

  ZipDirectory(FileBytes file) {
    this.file = file;
  }

  List<Listed> read() {
    long size = file.size();
    ByteBuffer end = size < 22 ? null : buffer(size - 22, 22);
    if (end == null || end.getInt(0) != END || end.getShort(20) != 0) {
      throw refused("the zip has no directory at its end. Is the download complete?");
    }
    int count = end.getShort(10) & 0xffff;
    long directorySize = end.getInt(12) & UNSIGNED;
    long directory = end.getInt(16) & UNSIGNED;
    boolean oneDisk = end.getInt(4) == 0 && end.getShort(8) == end.getShort(10);
    long directoryEnd = size - 22;
    ByteBuffer locator = size < 22 + 20 + 56 ? null : buffer(size - 42, 20);
    if (locator != null && locator.getInt(0) == END_64_LOCATOR) {
      directoryEnd = size - 42 - 56;
      ByteBuffer end64 = buffer(directoryEnd, 56);
      if (end64.getInt(0) != END_64 || end64.getLong(4) != 44
          || locator.getLong(8) != directoryEnd || locator.getInt(4) != 0
          || end64.getLong(24) != end64.getLong(32) || end64.getLong(32) > MAX_ENTRIES
          || end64.getLong(16) != 0 || end64.getLong(32) < 0
          || disagree(end64.getLong(32), count, 0xffff)
          || disagree(end64.getLong(40), directorySize, UNSIGNED)
          || disagree(end64.getLong(48), directory, UNSIGNED)) {
        throw refused("the zip has two ends that disagree");
      }
      count = (int) end64.getLong(32);
      directorySize = end64.getLong(40);
      directory = end64.getLong(48);
    }
    if (count > MAX_ENTRIES || count == 0) {
      throw refused("the zip has " + count + " entries; expected 1 to " + MAX_ENTRIES);
    }
    if (!oneDisk || directory < 0 || directory > directoryEnd
        || directorySize != directoryEnd - directory
        || directorySize > (long) count * (46 + MAX_NAME + 64)) {
      throw refused("the zip's directory is not where its end says");
    }
    return parseDirectory(buffer(directory, (int) directorySize), count, directory);
  }

  private List<Listed> parseDirectory(ByteBuffer bytes, int count, long directory) {
    List<Listed> listed = new ArrayList<>(count);
    int at = 0;
    for (int i = 0; i < count; i++) {
      if (bytes.limit() - at < 46 || bytes.getInt(at) != DIRECTORY_HEADER) {
        throw refused("the zip's directory ends after " + i + " of " + count + " entries");
      }
      int nameLength = bytes.getShort(at + 28) & 0xffff;
      int extraLength = bytes.getShort(at + 30) & 0xffff;
      int commentLength = bytes.getShort(at + 32) & 0xffff;
      if (nameLength > MAX_NAME || commentLength != 0 || bytes.getShort(at + 34) != 0
          || bytes.limit() - at - 46 < nameLength + extraLength) {
        throw refused("the zip's directory is damaged at entry " + i);
      }
      String name = text(bytes, at + 46, nameLength);
      long stored = bytes.getInt(at + 20) & UNSIGNED;
      long size = bytes.getInt(at + 24) & UNSIGNED;
      long local = bytes.getInt(at + 42) & UNSIGNED;
      ByteBuffer zip64 = extra(name, bytes, at + 46 + nameLength, extraLength, false);
      if (zip64 != null) {
        size = wide(name, zip64, size);
        stored = wide(name, zip64, stored);
        local = wide(name, zip64, local);
      }
      int method = bytes.getShort(at + 10) & 0xffff;
      if (size < 0 || local < 0 || method == 0 && stored != size || size > directory
          || local > directory - 30) {
        throw refused("the zip's entry " + Shown.name(name) + " lies outside the file");
      }
      int flags = bytes.getShort(at + 8) & 0xffff;
      listed.add(new Listed(name, flags, method, bytes.getInt(at + 16), size, local));
      at += 46 + nameLength + extraLength;
    }
    if (at != bytes.limit()) {
      throw refused("the zip's directory has " + (bytes.limit() - at) + " bytes too many");
    }
    return listed;
  }

  private static boolean disagree(long wide, long narrow, long unknown) {
    return narrow != unknown && narrow != wide;
  }

  /** The 64-bit value that stands in for a 32-bit field of all ones. */
  private long wide(String name, ByteBuffer zip64, long narrow) {
    if (narrow != UNSIGNED) {
      return narrow;
    }
    if (zip64.remaining() < 8) {
      throw refused("the zip's entry " + Shown.name(name) + " lacks its 64-bit size");
    }
    return zip64.getLong();
  }

  /** Walks the extra fields; only the 64-bit sizes, and torch's padding, have business here. */
  ByteBuffer extra(
      String name, ByteBuffer bytes, int begin, int length, boolean paddingAllowed) {
    ByteBuffer zip64 = null;
    int at = begin;
    int end = begin + length;
    while (at < end) {
      int id = end - at < 4 ? -1 : bytes.getShort(at) & 0xffff;
      int fieldLength = id < 0 ? 0 : bytes.getShort(at + 2) & 0xffff;
      boolean known = id == EXTRA_ZIP64 && zip64 == null || id == EXTRA_PADDING && paddingAllowed;
      if (!known || fieldLength > end - at - 4) {
        throw refused("the zip's entry " + Shown.name(name)
            + " has an extra field that torch.save does not write");
      }
      if (id == EXTRA_ZIP64) {
        zip64 = bytes.slice(at + 4, fieldLength).order(ByteOrder.LITTLE_ENDIAN);
      }
      at += 4 + fieldLength;
    }
    return zip64;
  }

  ByteBuffer buffer(long position, int length) {
    return ByteBuffer.wrap(file.bytes(position, length)).order(ByteOrder.LITTLE_ENDIAN);
  }

  static String text(ByteBuffer bytes, int from, int length) {
    return new String(bytes.array(), bytes.arrayOffset() + from, length, StandardCharsets.UTF_8);
  }

  private CheckpointException refused(String what) {
    return new CheckpointException(Shown.file(file.path()) + ": " + what);
  }
}
