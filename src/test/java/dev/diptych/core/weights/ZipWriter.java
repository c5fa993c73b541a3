package dev.diptych.core.weights;

import dev.diptych.testing.Safetensors;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.zip.CRC32;

/** Writes zips as torch.save does, with one lie at a time where a test wants one. */
final class ZipWriter {
  private final List<Entry> entries = new ArrayList<>();
  private boolean zip64Fields;
  private byte[] comment = new byte[0];

  /** What is written of one file; change a field to tell a lie. */
  static final class Entry {
    String name;
    String localName;
    byte[] data;
    int flags = 0x0808;
    int localFlags = 0x0808;
    int method;
    int crc;
    int descriptorCrc;
    long size;
    long local = -1;
    byte[] directoryExtra = new byte[0];
  }

  /** A well-formed archive of one float32 tensor [2, 3] under the name "w". */
  static ZipWriter oneTensor() {
    return archive(PickleWriter.oneTensor("w").bytes());
  }

  /** A well-formed archive with this pickle and 24 bytes in storage 0. */
  static ZipWriter archive(byte[] pickle) {
    byte[] data = new byte[24];
    for (int i = 0; i < data.length; i++) {
      data[i] = (byte) i;
    }
    return new ZipWriter()
        .add("m/data.pkl", pickle)
        .add("m/byteorder", "little".getBytes(StandardCharsets.UTF_8))
        .add("m/data/0", data)
        .add("m/version", "3\n".getBytes(StandardCharsets.UTF_8));
  }

  ZipWriter add(String name, byte[] data) {
    return add(name, data, entry -> {});
  }

  ZipWriter add(String name, byte[] data, Consumer<Entry> lie) {
    Entry entry = new Entry();
    entry.name = name;
    entry.localName = name;
    entry.data = data;
    CRC32 crc = new CRC32();
    crc.update(data);
    entry.crc = (int) crc.getValue();
    entry.descriptorCrc = entry.crc;
    entry.size = data.length;
    lie.accept(entry);
    entries.add(entry);
    return this;
  }

  /** Changes an entry that is there. */
  ZipWriter lie(String name, Consumer<Entry> lie) {
    entries.stream().filter(entry -> entry.name.equals(name)).findFirst().ifPresent(lie);
    return this;
  }

  /** Writes sizes and offsets as 64-bit extra fields, as beyond 4 GiB. */
  ZipWriter wide() {
    zip64Fields = true;
    return this;
  }

  ZipWriter comment(String text) {
    comment = text.getBytes(StandardCharsets.UTF_8);
    return this;
  }

  Path write(Path file) {
    return Safetensors.write(file, bytes());
  }

  byte[] bytes() {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (Entry entry : entries) {
      entry.local = entry.local < 0 ? out.size() : entry.local;
      writeLocal(out, entry);
    }
    long directory = out.size();
    entries.forEach(entry -> writeListed(out, entry));
    writeEnd(out, directory, out.size() - directory);
    return out.toByteArray();
  }

  private void writeLocal(ByteArrayOutputStream out, Entry entry) {
    byte[] name = entry.localName.getBytes(StandardCharsets.UTF_8);
    int wide = zip64Fields ? 20 : 0;
    int padding = Math.floorMod(-(out.size() + 30 + name.length + wide + 4), 64);
    ByteBuffer header = little(30 + name.length + wide + 4 + padding);
    header.putInt(0x04034b50).putShort((short) 0).putShort((short) entry.localFlags);
    header.putShort((short) entry.method).putInt(0).putInt(0).putInt(0).putInt(0);
    header.putShort((short) name.length).putShort((short) (wide + 4 + padding)).put(name);
    if (zip64Fields) {
      header.putShort((short) 1).putShort((short) 16).putLong(entry.size).putLong(entry.size);
    }
    header.put((byte) 'F').put((byte) 'B').putShort((short) padding);
    out.writeBytes(header.array());
    out.writeBytes(entry.data);
    if ((entry.flags & 8) != 0) {
      ByteBuffer descriptor = little(zip64Fields ? 24 : 16);
      descriptor.putInt(0x08074b50).putInt(entry.descriptorCrc);
      if (zip64Fields) {
        descriptor.putLong(entry.size).putLong(entry.size);
      } else {
        descriptor.putInt((int) entry.size).putInt((int) entry.size);
      }
      out.writeBytes(descriptor.array());
    }
  }

  private void writeListed(ByteArrayOutputStream out, Entry entry) {
    byte[] name = entry.name.getBytes(StandardCharsets.UTF_8);
    byte[] extra = entry.directoryExtra;
    if (zip64Fields) {
      ByteBuffer fields = little(28).putShort((short) 1).putShort((short) 24);
      extra = fields.putLong(entry.size).putLong(entry.size).putLong(entry.local).array();
    }
    int size = zip64Fields ? -1 : (int) entry.size;
    ByteBuffer line = little(46 + name.length + extra.length);
    line.putInt(0x02014b50).putInt(0).putShort((short) entry.flags).putShort((short) entry.method);
    line.putInt(0).putInt(entry.crc).putInt(size).putInt(size);
    line.putShort((short) name.length).putShort((short) extra.length).putShort((short) 0);
    line.putShort((short) 0).putShort((short) 0).putInt(0);
    line.putInt(zip64Fields ? -1 : (int) entry.local).put(name).put(extra);
    out.writeBytes(line.array());
  }

  private void writeEnd(ByteArrayOutputStream out, long directory, long directorySize) {
    long end64 = out.size();
    ByteBuffer end = little(56 + 20 + 22 + comment.length);
    end.putInt(0x06064b50).putLong(44).putShort((short) 0).putShort((short) 0).putLong(0);
    end.putLong(entries.size()).putLong(entries.size()).putLong(directorySize).putLong(directory);
    end.putInt(0x07064b50).putInt(0).putLong(end64).putInt(1);
    end.putInt(0x06054b50).putInt(0).putShort((short) entries.size());
    end.putShort((short) entries.size()).putInt((int) directorySize).putInt((int) directory);
    end.putShort((short) comment.length).put(comment);
    out.writeBytes(end.array());
  }

  private static ByteBuffer little(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }
}
