package dev.diptych.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.jar.JarFile;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DemoModelTest {
  private static final String JANUS = "dev/diptych/examples/demo/janus/";
  private static final String CHAMELEON = "dev/diptych/examples/demo/chameleon/";
  private static final String TRANSFUSION = "dev/diptych/examples/demo/transfusion/";

  @TempDir Path folder;

  @Test
  void unpacksOnceAndHealsWhatWasDamaged() throws IOException {
    Path cache = folder.resolve("cache");
    try (JarFile jar = jar("first")) {
      Path first = DemoModel.unpacked(jar, Demo.JANUS, cache);
      long unpacked = Files.getLastModifiedTime(first.resolve("config.json")).toMillis();
      Path second = DemoModel.unpacked(jar, Demo.JANUS, cache);

      assertThat(first).isEqualTo(second).hasParent(cache);
      assertThat(first.resolve("config.json")).hasContent("first");
      assertThat(Files.getLastModifiedTime(first.resolve("config.json")).toMillis())
          .isEqualTo(unpacked);

      Files.writeString(first.resolve("config.json"), "wrong");
      assertThat(DemoModel.unpacked(jar, Demo.JANUS, cache).resolve("config.json")).hasContent("first");
      assertThat(names(cache)).containsExactly(first.getFileName().toString());
    }
  }

  @Test
  void anotherContentGoesIntoAnotherFolder() throws IOException {
    try (JarFile jar = jar("first")) {
      Path first = DemoModel.unpacked(jar, Demo.JANUS, folder);
      try (JarFile other = jar("other")) {
        assertThat(DemoModel.unpacked(other, Demo.JANUS, folder)).isNotEqualTo(first);
      }
    }
  }

  @Test
  void eachDemoGoesIntoItsOwnFolder() throws IOException {
    try (JarFile jar = jar("first")) {
      Path janus = DemoModel.unpacked(jar, Demo.JANUS, folder);
      Path chameleon = DemoModel.unpacked(jar, Demo.CHAMELEON, folder);

      assertThat(chameleon.getFileName().toString()).startsWith("chameleon-demo-");
      assertThat(names(chameleon)).containsExactly("config.json", "tokenizer.json");
      assertThat(names(janus)).containsExactly("config.json", "model.safetensors");
    }
  }

  @Test
  void filesInFoldersStayInThem() throws IOException {
    try (JarFile jar = jar("first")) {
      Path transfusion = DemoModel.unpacked(jar, Demo.TRANSFUSION, folder);

      assertThat(transfusion.resolve("config.json")).hasContent("first");
      assertThat(transfusion.resolve("vae/config.json")).hasContent("first");
      assertThat(names(transfusion)).containsExactly("config.json", "vae");

      Files.delete(transfusion.resolve("vae/config.json"));
      assertThat(DemoModel.unpacked(jar, Demo.TRANSFUSION, folder).resolve("vae/config.json"))
          .exists();
    }
  }

  @Test
  void manyAtOnceSeeOneWholeFolder() throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(4);
    try (JarFile jar = jar("x".repeat(1 << 20))) {
      Callable<Path> unpack = () -> DemoModel.unpacked(jar, Demo.JANUS, folder.resolve("cache"));
      List<Future<Path>> all = threads.invokeAll(List.of(unpack, unpack, unpack, unpack));

      for (Future<Path> one : all) {
        assertThat(one.get()).isEqualTo(all.get(0).get());
        assertThat(one.get().resolve("config.json")).hasSize(1 << 20);
      }
      assertThat(names(folder.resolve("cache"))).hasSize(1);
    } finally {
      threads.shutdown();
    }
  }

  @Test
  void aCacheThatCannotBeWrittenIsReplacedByATemporaryFolder() throws IOException {
    Path file = Files.writeString(folder.resolve("a file"), "");
    try (JarFile jar = jar("first")) {
      Path unpacked = DemoModel.unpacked(jar, Demo.JANUS, file.resolve("cache"));

      assertThat(unpacked.resolve("config.json")).hasContent("first");
      assertThat(unpacked.startsWith(folder)).isFalse();
    }
  }

  private JarFile jar(String config) throws IOException {
    Path file = Files.createTempFile(folder, "demo", ".jar");
    try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(file))) {
      for (String name :
          List.of(
              JANUS + "config.json",
              JANUS + "model.safetensors",
              CHAMELEON + "config.json",
              CHAMELEON + "tokenizer.json",
              TRANSFUSION + "config.json",
              TRANSFUSION + "vae/config.json",
              "x")) {
        zip.putNextEntry(new ZipEntry(name));
        zip.write(config.getBytes(StandardCharsets.UTF_8));
        zip.closeEntry();
      }
    }
    return new JarFile(file.toFile());
  }

  private static List<String> names(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(p -> p.getFileName().toString()).sorted().toList();
    }
  }
}
