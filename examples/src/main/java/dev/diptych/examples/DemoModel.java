package dev.diptych.examples;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.LibraryVersion;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.JarURLConnection;
import java.net.URISyntaxException;
import java.net.URL;
import java.net.URLConnection;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.jar.JarFile;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The files of the small models that come with the programs. A checkpoint is read from files, so the
 * jar's copy is unpacked once into a folder named after its content: other versions and other
 * processes cannot meet there.
 */
public final class DemoModel {
  private static final String RESOURCES = "dev/diptych/examples/demo/";
  private static final Logger LOG = LoggerFactory.getLogger(DemoModel.class);

  private DemoModel() {}

  /**
   * {@return the folder of the Janus checkpoint}
   *
   * @throws CheckpointException if this build has none
   */
  public static Path folder() {
    return folder(Demo.JANUS);
  }

  /**
   * {@return the folder of a checkpoint}
   *
   * @throws CheckpointException if this build has none
   */
  public static Path folder(Demo demo) {
    URL config = DemoModel.class.getClassLoader().getResource(resources(demo) + "config.json");
    if (config == null) {
      throw new CheckpointException(
          "This build has no demo model "
              + demo
              + "\n  expected the resources "
              + resources(demo)
              + "\n  remedy   give the folder of a checkpoint with --model");
    }
    try {
      if (config.getProtocol().equals("file")) {
        return Path.of(config.toURI()).getParent();
      }
      URLConnection connection = config.openConnection();
      connection.setUseCaches(false);
      try (JarFile jar = ((JarURLConnection) connection).getJarFile()) {
        return unpacked(jar, demo, cache());
      }
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot unpack the demo model: " + e, e);
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  /** {@return where unpacked files are kept between runs} */
  public static Path cache() {
    String chosen = System.getenv("DIPTYCH_CACHE");
    if (chosen != null && !chosen.isBlank()) {
      return Path.of(chosen);
    }
    Path home = Path.of(System.getProperty("user.home"));
    String os = System.getProperty("os.name").toLowerCase(Locale.ROOT);
    if (os.startsWith("mac")) {
      return home.resolve("Library/Caches/diptych");
    }
    String base = System.getenv(os.startsWith("win") ? "LOCALAPPDATA" : "XDG_CACHE_HOME");
    return base == null || base.isBlank()
        ? home.resolve(".cache/diptych")
        : Path.of(base).resolve("diptych");
  }

  /** {@return the folder of a jar's copy, unpacked below a cache folder or a temporary one} */
  static Path unpacked(JarFile jar, Demo demo, Path cache) throws IOException {
    List<ZipEntry> files =
        jar.stream()
            .map(ZipEntry.class::cast)
            .filter(e -> e.getName().startsWith(resources(demo)) && !e.isDirectory())
            .sorted(Comparator.comparing(ZipEntry::getName))
            .toList();
    String name = demo + "-demo-" + LibraryVersion.VERSION + "-" + digest(files);
    try {
      Path folder = cache.resolve(name);
      if (!holds(folder, demo, files)) {
        place(jar, demo, files, folder);
      }
      return folder;
    } catch (IOException e) {
      LOG.info("The cache folder cannot be written, a temporary one is used: {}", e.toString());
      Path folder = Files.createTempDirectory("diptych-demo");
      Runtime.getRuntime().addShutdownHook(new Thread(() -> delete(folder)));
      write(jar, demo, files, folder);
      return folder;
    }
  }

  private static String digest(List<ZipEntry> files) {
    try {
      MessageDigest sha = MessageDigest.getInstance("SHA-256");
      for (ZipEntry file : files) {
        String line = file.getName() + ' ' + file.getSize() + ' ' + file.getCrc() + '\n';
        sha.update(line.getBytes(StandardCharsets.UTF_8));
      }
      return HexFormat.of().formatHex(sha.digest(), 0, 8);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  /** A folder that someone edited or a full disk cut short does not count. */
  private static boolean holds(Path folder, Demo demo, List<ZipEntry> files) throws IOException {
    for (ZipEntry entry : files) {
      Path file = target(folder, demo, entry);
      if (!Files.isRegularFile(file) || Files.size(file) != entry.getSize()) {
        return false;
      }
      CRC32 crc = new CRC32();
      crc.update(Files.readAllBytes(file));
      if (crc.getValue() != entry.getCrc()) {
        return false;
      }
    }
    return true;
  }

  /** Fills a neighbour and renames it, so that nobody ever sees half of it. */
  private static void place(JarFile jar, Demo demo, List<ZipEntry> files, Path folder)
      throws IOException {
    Files.createDirectories(folder.getParent());
    Path neighbour = Files.createTempDirectory(folder.getParent(), ".unpacking");
    try {
      write(jar, demo, files, neighbour);
      if (Files.exists(folder)) {
        Path damaged = Files.createTempDirectory(folder.getParent(), ".damaged");
        Files.move(folder, damaged.resolve("old"), StandardCopyOption.ATOMIC_MOVE);
        delete(damaged);
      }
      Files.move(neighbour, folder, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      // Another process may have been faster.
      if (!holds(folder, demo, files)) {
        throw e;
      }
    } finally {
      delete(neighbour);
    }
  }

  private static void write(JarFile jar, Demo demo, List<ZipEntry> files, Path folder)
      throws IOException {
    for (ZipEntry entry : files) {
      Path file = target(folder, demo, entry);
      Files.createDirectories(file.getParent());
      try (InputStream in = jar.getInputStream(entry)) {
        Files.copy(in, file);
      }
    }
  }

  /** A checkpoint may have folders of its own, for its picture coder or its noise schedule. */
  private static Path target(Path folder, Demo demo, ZipEntry entry) {
    return folder.resolve(entry.getName().substring(resources(demo).length()));
  }

  private static String resources(Demo demo) {
    return RESOURCES + demo + "/";
  }

  private static void delete(Path folder) {
    if (!Files.exists(folder)) {
      return;
    }
    try (Stream<Path> all = Files.walk(folder)) {
      for (Path path : all.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(path);
      }
    } catch (IOException e) {
      LOG.debug("{} stays behind", folder, e);
    }
  }
}
