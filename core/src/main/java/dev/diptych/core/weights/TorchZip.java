package dev.diptych.core.weights;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.UnsupportedModelException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.zip.CRC32;

/**
 * The zip that torch.save writes, and no other zip: entries stored as they are, names from a short
 * list, the directory and the local headers in agreement. Tricks that make two zip readers see two
 * contents (flag bits, wrong checksums, overlapping entries) are errors.
 *
 * <p>torch writes every entry in streaming form: flag bit 3, zeros for checksum and sizes in the
 * local header, a data descriptor after the data (of 24 bytes once offsets or sizes pass 4 GiB),
 * and an extra field "FB" that pads the data to 64 bytes. So that form is accepted, and it must say
 * the same as the directory.
 */
final class TorchZip {
  private static final Pattern ALLOWED =
      Pattern.compile(
          "data\\.pkl|data/[0-9]{1,9}|version|byteorder|\\.data/[^/\\\\]{1,64}"
              + "|\\.format_version|\\.storage_alignment");

  private static final int LOCAL_HEADER = 0x04034b50;
  private static final int DESCRIPTOR = 0x08074b50;

  private static final int FLAG_STREAMED = 0x0008;
  private static final int FLAG_UTF8 = 0x0800;
  private static final long UNSIGNED = ZipDirectory.UNSIGNED;

  private final FileBytes file;
  private final String where;
  private final ZipDirectory directory;
  private final Map<String, Entry> entries = new HashMap<>();

  /** A file in the zip; {@code name} without the root folder. */
  record Entry(String name, long position, long size, int crc) {}

  private record Extent(String name, long begin, long end) {}

  private TorchZip(FileBytes file) {
    this.file = file;
    this.where = Shown.file(file.path());
    this.directory = new ZipDirectory(file);
  }

  static TorchZip open(FileBytes file) {
    TorchZip zip = new TorchZip(file);
    zip.readEntries();
    return zip;
  }

  /** The entry of that name, or null. */
  Entry entry(String name) {
    return entries.get(name);
  }

  /** A small entry's bytes, checked. */
  byte[] bytes(Entry entry, int maxBytes) {
    if (entry.size() > maxBytes) {
      throw refused(entry.name() + " is " + entry.size() + " bytes; at most " + maxBytes
          + " are read");
    }
    byte[] bytes = file.bytes(entry.position(), (int) entry.size());
    CRC32 crc = new CRC32();
    crc.update(bytes);
    checkCrc(entry, crc);
    return bytes;
  }

  /** Reads an entry once from end to end and compares its checksum. */
  void verify(Entry entry) {
    CRC32 crc = new CRC32();
    ByteBuffer piece = ByteBuffer.allocateDirect((int) Math.min(1 << 20, entry.size()));
    for (long done = 0; done < entry.size(); done += piece.limit()) {
      piece.clear().limit((int) Math.min(piece.capacity(), entry.size() - done));
      file.read(entry.position() + done, piece);
      crc.update(piece.flip());
    }
    checkCrc(entry, crc);
  }

  private void checkCrc(Entry entry, CRC32 crc) {
    if ((int) crc.getValue() != entry.crc()) {
      throw refused(
          String.format(
              Locale.ROOT,
              "%s has checksum %08x; the zip says %08x. The file is damaged: download it again",
              entry.name(), (int) crc.getValue(), entry.crc()));
    }
  }

  private void readEntries() {
    List<ZipDirectory.Listed> listed = directory.read();
    refusePrograms(listed);
    String root = null;
    List<Extent> extents = new ArrayList<>();
    for (ZipDirectory.Listed one : listed) {
      int slash = one.name().indexOf('/');
      String own = slash < 1 ? "" : one.name().substring(slash + 1);
      if (!ALLOWED.matcher(own).matches() || one.name().indexOf('\\') >= 0) {
        throw refused("the zip has an entry " + Shown.name(one.name())
            + "; torch.save writes only NAME/data.pkl, NAME/data/0 and the like");
      }
      if (root == null) {
        root = one.name().substring(0, slash);
      } else if (!root.equals(one.name().substring(0, slash))) {
        throw refused("the zip has two root folders, " + Shown.name(root) + " and "
            + Shown.name(one.name().substring(0, slash)) + "; torch.save writes one");
      }
      checkStored(one);
      Entry entry = readLocal(one, own, extents);
      if (entries.put(own, entry) != null) {
        throw refused("the zip has a duplicate entry " + Shown.name(one.name()));
      }
    }
    checkExtents(extents);
  }

  /** TorchScript archives carry code, which is never run, whatever the rest looks like. */
  private void refusePrograms(List<ZipDirectory.Listed> listed) {
    for (ZipDirectory.Listed one : listed) {
      String own = one.name().substring(one.name().indexOf('/') + 1);
      if (own.startsWith("code/") || own.equals("constants.pkl")) {
        throw new UnsupportedModelException(
            where + " is a TorchScript program (it has " + Shown.name(one.name())
                + "), and programs of others are not run; expected a state dict. In PyTorch:"
                + " safetensors.torch.save_file(torch.jit.load(FILE).state_dict(),"
                + " \"model.safetensors\")");
      }
    }
  }

  private void checkStored(ZipDirectory.Listed one) {
    if ((one.flags() & ~(FLAG_STREAMED | FLAG_UTF8)) != 0) {
      throw refused(Shown.name(one.name()) + " has zip flag bits 0x"
          + Integer.toHexString(one.flags()) + "; torch.save sets none but 0x808");
    }
    if (one.method() != 0) {
      throw refused(Shown.name(one.name()) + " is compressed (method " + one.method()
          + "); torch.save stores without compression");
    }
  }

  private Entry readLocal(ZipDirectory.Listed one, String own, List<Extent> extents) {
    ByteBuffer header = directory.buffer(one.local(), 30);
    int nameLength = header.getShort(26) & 0xffff;
    int extraLength = header.getShort(28) & 0xffff;
    long data = one.local() + 30 + nameLength + extraLength;
    boolean streamed = (one.flags() & FLAG_STREAMED) != 0;
    if (header.getInt(0) != LOCAL_HEADER
        || (header.getShort(6) & 0xffff) != one.flags()
        || (header.getShort(8) & 0xffff) != one.method()
        || nameLength > ZipDirectory.MAX_NAME
        || data > file.size() - one.size()) {
      throw disagrees(one);
    }
    ByteBuffer rest = directory.buffer(one.local() + 30, nameLength + extraLength);
    ByteBuffer zip64 = directory.extra(one.name(), rest, nameLength, extraLength, true);
    boolean sameName = ZipDirectory.text(rest, 0, nameLength).equals(one.name());
    boolean sameCrc = header.getInt(14) == one.crc() || streamed && header.getInt(14) == 0;
    if (!sameName || !sameCrc || !sameSize(header.getInt(18), one.size(), streamed, zip64)
        || !sameSize(header.getInt(22), one.size(), streamed, zip64)) {
      throw disagrees(one);
    }
    long end = data + one.size();
    if (streamed) {
      end += checkDescriptor(one, end, zip64 != null);
    }
    extents.add(new Extent(one.name(), one.local(), end));
    return new Entry(own, data, one.size(), one.crc());
  }

  private int checkDescriptor(ZipDirectory.Listed one, long position, boolean wide) {
    int length = wide ? 24 : 16;
    if (position > file.size() - length) {
      throw disagrees(one);
    }
    ByteBuffer descriptor = directory.buffer(position, length);
    boolean sizes =
        wide
            ? descriptor.getLong(8) == one.size() && descriptor.getLong(16) == one.size()
            : (descriptor.getInt(8) & UNSIGNED) == one.size()
                && (descriptor.getInt(12) & UNSIGNED) == one.size();
    if (descriptor.getInt(0) != DESCRIPTOR || descriptor.getInt(4) != one.crc() || !sizes) {
      throw disagrees(one);
    }
    return length;
  }

  private void checkExtents(List<Extent> extents) {
    extents.sort(Comparator.comparingLong(Extent::begin));
    long end = 0;
    for (Extent extent : extents) {
      if (extent.begin() < end) {
        throw refused("the zip's entry " + Shown.name(extent.name()) + " overlaps another");
      }
      end = extent.end();
    }
  }

  private static boolean sameSize(int field, long size, boolean streamed, ByteBuffer zip64) {
    long value = field & UNSIGNED;
    return value == size || streamed && value == 0 || zip64 != null && value == UNSIGNED;
  }

  private CheckpointException disagrees(ZipDirectory.Listed one) {
    return refused("the zip's directory and the entry " + Shown.name(one.name())
        + " itself disagree. Is the file damaged?");
  }

  private CheckpointException refused(String what) {
    return new CheckpointException(where + ": " + what);
  }
}
