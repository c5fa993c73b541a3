package dev.diptych.core.engine;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/**
 * Packs script text into the archive that libtorch loads: a stored ZIP with the text under its own
 * path, so that an error names a file that exists, and a pickle of one empty module.
 */
final class ScriptArchive {
  static final String SUFFIX = ".torchscript.py";
  private static final String ROOT = "dev/diptych/";

  private ScriptArchive() {}

  static byte[] pack(Class<?> twin, List<String> shared) {
    String path = twin.getName().replace('.', '/').substring(ROOT.length());
    String module = "__torch__." + path.replace('/', '.');
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
      // PROTO 2, GLOBAL module name, EMPTY_TUPLE, NEWOBJ, EMPTY_DICT, BUILD, STOP
      put(zip, "m/data.pkl", "\u0080\u0002c" + module + "\n" + twin.getSimpleName() + "\n)\u0081}b.");
      put(zip, "m/constants.pkl", "\u0080\u0002).");
      put(zip, "m/version", "10\n");
      put(zip, "m/code/__torch__/" + path + ".py", text(twin, path));
      for (String resource : shared) {
        put(zip, "m/code/__torch__/" + resource + ".py", text(twin, resource));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return bytes.toByteArray();
  }

  private static String text(Class<?> twin, String path) throws IOException {
    String resource = "/" + ROOT + path + SUFFIX;
    InputStream beside = twin.getResourceAsStream(resource);
    try (InputStream in =
        beside != null ? beside : ScriptArchive.class.getResourceAsStream(resource)) {
      if (in == null) {
        throw new IllegalArgumentException("No script on the class path: " + resource);
      }
      return new String(in.readAllBytes(), StandardCharsets.ISO_8859_1);
    }
  }

  private static void put(ZipOutputStream zip, String name, String latin1) throws IOException {
    byte[] bytes = latin1.getBytes(StandardCharsets.ISO_8859_1);
    CRC32 crc = new CRC32();
    crc.update(bytes);
    ZipEntry entry = new ZipEntry(name);
    entry.setMethod(ZipEntry.STORED);
    entry.setSize(bytes.length);
    entry.setCrc(crc.getValue());
    // A fixed time: the same text packs to the same bytes.
    entry.setTime(0);
    zip.putNextEntry(entry);
    zip.write(bytes);
    zip.closeEntry();
  }
}
