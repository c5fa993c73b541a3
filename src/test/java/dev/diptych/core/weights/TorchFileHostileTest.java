package dev.diptych.core.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.UnsupportedModelException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** PyTorch files that lie or attack; nothing of them is ever resolved or run. */
class TorchFileHostileTest {
  @TempDir Path folder;

  @Test
  void readsTheArchiveThatTheLiesAreMadeFrom() {
    for (ZipWriter zip : List.of(ZipWriter.oneTensor(), ZipWriter.oneTensor().wide())) {
      try (Checkpoint checkpoint = Checkpoint.openFile(zip.write(folder.resolve("a.bin")))) {
        assertThat(checkpoint.names()).containsExactly("w");
        assertThat(checkpoint.spec("w").shape()).containsExactly(2L, 3L);
        assertThat(checkpoint.read("w").get(23)).isEqualTo((byte) 23);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "posix system", "nt system", "os system", "builtins eval", "builtins exec",
        "builtins getattr", "__builtin__ eval", "subprocess Popen", "torch._utils _rebuild_tensor",
        "torch load", "torch.storage _load_from_bytes", "numpy.core.multiarray _reconstruct",
        "collections OrderedDict.update", "torch FloatStorage.__init__", "torch  FloatStorage",
        " ", "COLLECTIONS ORDEREDDICT"
      })
  void resolvesNoPythonObject(String name) {
    int space = name.indexOf(' ');
    byte[] pickle =
        PickleWriter.protocol2()
            .global(name.substring(0, space), name.substring(space + 1))
            .op('(').string("touch owned").op('t', 'R', '.')
            .bytes();

    assertRefused(ZipWriter.archive(pickle), "asks for the Python object", "Nothing was run");
  }

  @Test
  void refusesEveryInstructionThatAStateDictDoesNotNeed() {
    List<Integer> allowed = ".cQRb}])(t\u0085\u0086\u0087suaeqrhjXKMJ\u008aGN\u0088\u0089"
        .chars().boxed().toList();
    for (int op = 0; op < 256; op++) {
      if (!allowed.contains(op)) {
        byte[] pickle = PickleWriter.protocol2().op(op, 0, 0, 0, 0, 0, 0, 0, 0, '.').bytes();
        assertRefused(ZipWriter.archive(pickle), String.format("instruction 0x%02x", op));
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 3, 4, 5, 255})
  void refusesOtherProtocols(int protocol) {
    byte[] pickle = PickleWriter.oneTensor("w").bytes();
    pickle[1] = (byte) protocol;

    assertRefused(ZipWriter.archive(pickle), "protocol 2");
  }

  @Test
  void refusesStackGlobal() {
    byte[] pickle =
        PickleWriter.protocol2().string("posix").string("system").op(0x93, '.').bytes();

    assertRefused(ZipWriter.archive(pickle), "instruction 0x93");
  }

  @Test
  void refusesPicklesThatDoNotAddUp() {
    assertPickleRefused("ends in the middle", p -> p.op('}'));
    assertPickleRefused("ends in the middle", p -> p.op('X', 255, 0, 0, 0));
    assertPickleRefused("string of more than", p -> p.op('X', 255, 255, 255, 255, '.'));
    assertPickleRefused("string of more than", p -> p.op('X', 0, 0, 0, 127, '.'));
    assertPickleRefused("not UTF-8", p -> p.op('X', 1, 0, 0, 0, 0xff, '.'));
    assertPickleRefused("not there", p -> p.op('.'));
    assertPickleRefused("not there", p -> p.op('(', '.'));
    assertPickleRefused("goes on after its end", p -> p.op('}', '}', '.'));
    assertPickleRefused("goes on after its end", p -> p.op('}', '.', '}'));
    assertPickleRefused("did not begin", p -> p.op('t', '.'));
    assertPickleRefused("did not remember", p -> p.op('h', 3, '.'));
    assertPickleRefused("remembers more", p -> p.op('}', 'r', 0, 0, 0, 127, '.'));
    assertPickleRefused("remembers more", p -> p.op('}', 'r', 255, 255, 255, 255, '.'));
    assertPickleRefused("no list", p -> p.op('}', 'N', 'a', '.'));
    assertPickleRefused("no dict", p -> p.op(']', 'N', 'N', 's', '.'));
    assertPickleRefused("no dict", p -> p.op('}', '(', 'N', 'u', '.'));
    assertPickleRefused("dict key", p -> p.op('}', ')', 'N', 's', '.'));
    assertPickleRefused("more than 64 bits", p -> p.op(0x8a, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, '.'));
    assertPickleRefused("not a function", p -> p.op('}', ')', 'R', '.'));
    assertPickleRefused(
        "which is no function", p -> p.global("torch", "FloatStorage").op(')', 'R', '.'));
    assertPickleRefused(
        "from arguments",
        p -> p.global("collections", "OrderedDict").op('N', 0x85, 'R', '.'));
    assertPickleRefused("attributes of something else", p -> p.op('}', '}', 'b', '.'));
    assertPickleRefused("a way that torch.save does not", p -> p.op('N', 'Q', '.'));
    assertPickleRefused("a way that torch.save does not", p -> p.storage("0", "FloatStorage", -1));
    assertPickleRefused("no dictionary of tensors", p -> p.op('N', '.'));
    assertPickleRefused("no dictionary of tensors", p -> p.op(')', '.'));
    assertPickleRefused("which is no tensor", p -> p.op('}').string("a").op('N', 's', '.'));
    assertPickleRefused("duplicate key: a",
        p -> p.op('}', '(').string("a").op('N').string("a").op('N', 'u', '.'));
    assertPickleRefused("name of more than", p -> p.op('c').string("x".repeat(600)).op('.'));
  }

  @Test
  void refusesTensorsOutsideTheirStorage() {
    assertTensorRefused("outside its storage", 6, 1, new long[] {2, 3}, new long[] {3, 1});
    assertTensorRefused("outside its storage", 6, 0, new long[] {2, 3}, new long[] {4, 1});
    assertTensorRefused("outside its storage", 6, 7, new long[] {0}, new long[] {1});
    assertTensorRefused("outside its storage", 6, -1, new long[] {1}, new long[] {1});
    assertTensorRefused("integers from 0", 6, 5, new long[] {2}, new long[] {-1});
    assertTensorRefused("integers from 0", 6, 0, new long[] {-2}, new long[] {1});
    assertTensorRefused("more elements", 6, 0, new long[] {1 << 30}, new long[] {0});
    assertTensorRefused("an overflow", 6, 0, new long[] {1L << 32, 1L << 32}, new long[] {0, 0});
    assertTensorRefused("an overflow", 6, 0, new long[] {1L << 62, 4}, new long[] {0, 0});
    assertTensorRefused("an overflow", 6, 0, new long[] {3, 2}, new long[] {1L << 62, 1});
    assertTensorRefused("an overflow", Long.MAX_VALUE, 0, new long[] {1}, new long[] {1});
    assertTensorRefused("not described", 6, 0, new long[] {2, 3}, new long[] {1});
    assertTensorRefused("dimensions", 6, 0, new long[65], new long[65]);
    assertTensorRefused("expected 7 elements", 7, 0, new long[] {1}, new long[] {1});
    assertTensorRefused("expected 5 elements", 5, 0, new long[] {1}, new long[] {1});
  }

  @ParameterizedTest
  @ValueSource(strings = {"1", "00", "../../../etc/passwd", "0/../0", "", "-1", "0\u0000"})
  void refusesDataThatIsNotInTheArchive(String key) {
    byte[] pickle =
        PickleWriter.protocol2().op('}').string("w")
            .tensor(key, "FloatStorage", 6, 0, new long[] {6}, new long[] {1})
            .op('s', '.').bytes();

    assertRefused(ZipWriter.archive(pickle), "lacks the data of w");
  }

  @Test
  void keepsItsLimitsOnPicklesThatGrow() {
    byte[] deepStack = new byte[20_000];
    Arrays.fill(deepStack, (byte) ')');
    assertPickleRefused("stack of more than", p -> append(p, deepStack));

    byte[] marks = new byte[200];
    Arrays.fill(marks, (byte) '(');
    assertPickleRefused("nested more than", p -> append(p, marks));

    byte[] containers = new byte[2_100_000];
    for (int i = 0; i < containers.length; i += 2) {
      containers[i] = '}';
      containers[i + 1] = 'a';
    }
    assertPickleRefused("more than 1000000 dicts", p -> append(p.op(']'), containers));

    assertRefused(ZipWriter.archive(new byte[StatePickle.MAX_BYTES + 1]), "at most 16777216");
  }

  @Test
  void endsOnStructuresThatContainThemselves() {
    assertPickleRefused(
        "wraps its state dict in more than",
        p -> p.op('}', 'q', 0).string("model").op('h', 0, 's', '.'));
    assertPickleRefused(
        "no dictionary of tensors", p -> p.op(']', 'q', 0, 'h', 0, 'a', '.'));
    PickleWriter doubling = PickleWriter.protocol2().op(')', 'q', 0);
    for (int i = 0; i < 60; i++) {
      doubling.op('h', 0, 'h', 0, 0x86, 'q', 0, 'Q');
    }
    assertRefused(ZipWriter.archive(doubling.bytes()), "torch.save does not");
  }

  @Test
  void refusesZipsThatTwoReadersSeeDifferently() {
    assertZipRefused("flag bits 0x809", e -> {
      e.flags |= 1;
      e.localFlags |= 1;
    });
    assertZipRefused("flag bits 0x2808", e -> {
      e.flags |= 0x2000;
      e.localFlags |= 0x2000;
    });
    assertZipRefused("disagree", e -> e.localFlags |= 1);
    assertZipRefused("disagree", e -> e.localFlags = 0x0800);
    assertZipRefused("disagree", e -> e.localName = "m/data.qkl");
    assertZipRefused("disagree", e -> e.size -= 1);
    assertZipRefused("disagree", e -> e.descriptorCrc ^= 1);
    assertZipRefused("disagree", e -> e.crc ^= 1);
    assertZipRefused("has checksum", e -> {
      e.crc ^= 1;
      e.descriptorCrc ^= 1;
    });
    assertZipRefused("compressed (method 8)", e -> e.method = 8);
    assertZipRefused("outside the file", e -> e.size = 0x7fff_ffffL);
    assertZipRefused("outside the file", e -> e.local = 0x7fff_ffffL);
    assertZipRefused("disagree", e -> e.local = 1);
    assertZipRefused("extra field", e -> e.directoryExtra = new byte[] {0x55, 0x54, 1, 0, 0});
    assertZipRefused("extra field", e -> e.directoryExtra = new byte[] {1, 0});
  }

  @Test
  void comparesTheChecksumOfDataBeforeTheyAreUsed() {
    Path file =
        ZipWriter.oneTensor()
            .lie("m/data/0", e -> {
              e.crc ^= 1;
              e.descriptorCrc ^= 1;
            })
            .write(folder.resolve("a.bin"));

    try (Checkpoint checkpoint = Checkpoint.openFile(file)) {
      assertThatThrownBy(() -> checkpoint.read("w"))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("data/0 has checksum");
      assertThatThrownBy(() -> checkpoint.mapRows("w", 0, 1))
          .isInstanceOf(CheckpointException.class);
    }
  }

  @Test
  void refusesEntriesThatTorchDoesNotWrite() {
    for (String name :
        List.of("m/evil.py", "../x/data.pkl", "m/../data.pkl", "/data.pkl", "data.pkl",
            "m\\data.pkl", "m/data/0.zip", "m/data/", "m/n/data.pkl", "m/data/-1", "", "lib 0.zip",
            "m/.data/../../x")) {
      assertRefused(ZipWriter.oneTensor().add(name, new byte[1]), "torch.save writes only");
    }
    assertRefused(ZipWriter.oneTensor().add("n/data.pkl", new byte[1]), "two root folders");
    assertRefused(ZipWriter.oneTensor().add("m/data/0", new byte[1]), "duplicate entry");
    assertRefused(new ZipWriter().add("m/version", new byte[1]), "no data.pkl");
    assertRefused(ZipWriter.oneTensor().comment("hello"), "no directory at its end");
    byte[] shared = new byte[24];
    assertRefused(
        ZipWriter.oneTensor().add("m/data/1", shared).lie("m/data/1", e -> e.local = 0),
        "disagree");
  }

  @Test
  void refusesAnEntryInsideTheDataOfAnother() {
    byte[] payload = {1, 2, 3, 4};
    byte[] inner = new ZipWriter().add("m/data/1", payload).bytes();
    ZipWriter zip = new ZipWriter()
        .add("m/data.pkl", PickleWriter.oneTensor("w").bytes())
        .add("m/data/0", inner);
    int at = new String(zip.bytes(), StandardCharsets.ISO_8859_1)
        .indexOf(new String(inner, StandardCharsets.ISO_8859_1));

    zip.add("m/data/1", payload, e -> e.local = at);

    assertRefused(zip, "m/data/1 overlaps another");
  }

  @Test
  void refusesCompressedArchivesInsideArchives() throws Exception {
    byte[] inner = ZipWriter.oneTensor().bytes();
    assertRefused(new ZipWriter().add("lib 0.zip", inner), "torch.save writes only");
    assertRefused(
        new ZipWriter().add("m/data.pkl", inner, e -> e.method = 8), "compressed (method 8)");
    assertRefused(ZipWriter.archive(inner), "protocol 2");
  }

  @Test
  void refusesAnotherByteOrder() {
    ZipWriter zip =
        new ZipWriter()
            .add("m/data.pkl", PickleWriter.oneTensor("w").bytes())
            .add("m/data/0", new byte[24])
            .add("m/byteorder", "big".getBytes());

    assertRefused(zip, "byte order big");
  }

  @Test
  void refusesATorchScriptArchiveEvenIfItIsOtherwiseWrong() {
    for (String name : List.of("m/code/__torch__.py", "m/constants.pkl", "constants.pkl")) {
      Path file =
          ZipWriter.oneTensor()
              .add(name, new byte[9], e -> e.method = 8)
              .write(folder.resolve("a.bin"));

      assertThatThrownBy(() -> Checkpoint.openFile(file))
          .isInstanceOf(UnsupportedModelException.class)
          .hasMessageContaining("TorchScript");
    }
  }

  @Test
  void refusesEveryTruncationOfAFile() throws Exception {
    byte[] whole = ZipWriter.oneTensor().bytes();
    Path file = folder.resolve("a.bin");
    for (int length = 0; length < whole.length; length++) {
      Files.write(file, Arrays.copyOf(whole, length));

      assertThatThrownBy(() -> Checkpoint.openFile(file)).isInstanceOf(CheckpointException.class);
    }
  }

  private static PickleWriter append(PickleWriter pickle, byte[] bytes) {
    for (byte b : bytes) {
      pickle.op(b);
    }
    return pickle;
  }

  private void assertPickleRefused(String reason, Consumer<PickleWriter> write) {
    PickleWriter pickle = PickleWriter.protocol2();
    write.accept(pickle);
    assertRefused(ZipWriter.archive(pickle.bytes()), reason);
  }

  private void assertTensorRefused(
      String reason, long elements, long offset, long[] shape, long[] strides) {
    byte[] pickle =
        PickleWriter.protocol2().op('}').string("w")
            .tensor("0", "FloatStorage", elements, offset, shape, strides)
            .op('s', '.').bytes();
    assertRefused(ZipWriter.archive(pickle), reason);
  }

  private void assertZipRefused(String reason, Consumer<ZipWriter.Entry> lie) {
    assertRefused(ZipWriter.oneTensor().lie("m/data.pkl", lie), reason);
  }

  private void assertRefused(ZipWriter zip, String... reasons) {
    Path file = zip.write(folder.resolve("a.bin"));
    assertThatThrownBy(() -> Checkpoint.openFile(file))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("a.bin")
        .hasMessageContainingAll(reasons);
  }
}
