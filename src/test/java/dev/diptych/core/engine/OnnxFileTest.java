package dev.diptych.core.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.onnx.proto.OnnxMl;
import com.google.protobuf.ByteString;
import dev.diptych.core.CheckpointException;
import dev.diptych.core.DiptychException;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.engine.OnnxGraph.ElementType;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** ONNX files of strangers: what is refused before ONNX Runtime sees it, and that the rest runs. */
class OnnxFileTest {
  @TempDir Path folder;

  @Test
  void runsAFileWithExternalDataInItsOwnFolder() throws IOException {
    Path file = folder.resolve("großes Bild.onnx");
    OnnxExport.write(TestGraphs.blocks(1), TestGraphs::random, file, 0);
    assertThat(folder.resolve("großes Bild.onnx.data")).exists();

    try (OnnxProgram opened = OnnxProgram.open(file, OnnxProgram.Options.DEFAULT);
        OnnxProgram made =
            OnnxProgram.of(
                TestGraphs.blocks(1), TestGraphs::random, OnnxProgram.Options.DEFAULT)) {
      Map<String, OnnxArray> input = Map.of("x", TestGraphs.picture(6, 1));

      assertThat(opened.run(input).get("y").toFloats())
          .isEqualTo(made.run(input).get("y").toFloats());
    }
  }

  @ParameterizedTest
  @CsvSource({
    "/etc/hostname, absolute",
    "C:\\secret, absolute",
    "\\\\server\\share, absolute",
    "../secret, ..",
    "inner/../../secret, ..",
    "inner\\..\\..\\secret, ..",
    "'', no path",
    "*/_ORT_MEM_ADDR_/*, memory",
    "./*/_ORT_MEM_ADDR_/*, memory",
    "inner, no regular file",
    "absent.data, cannot be read",
    "short.data, download"
  })
  void refusesExternalDataThatIsNotAPlainFileBesideIt(String location, String why)
      throws IOException {
    Files.createDirectory(folder.resolve("inner"));
    Files.write(folder.resolve("secret"), new byte[1 << 20]);
    Files.write(folder.resolve("short.data"), new byte[7]);
    Path model = Files.createDirectory(folder.resolve("models")).resolve("evil.onnx");
    Files.createDirectory(model.resolveSibling("inner"));
    Files.write(model.resolveSibling("short.data"), new byte[7]);
    Files.write(model, external(location).build().toByteArray());

    assertThatThrownBy(() -> OnnxProgram.open(model, OnnxProgram.Options.DEFAULT))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("evil.onnx")
        .hasMessageContaining(why);
  }

  @Test
  void refusesALinkOutOfTheFolder() throws IOException {
    Path secret = Files.write(folder.resolve("secret"), new byte[1 << 16]);
    Path model = Files.createDirectory(folder.resolve("models")).resolve("evil.onnx");
    Files.createSymbolicLink(model.resolveSibling("data"), secret);
    Files.write(model, external("data").build().toByteArray());

    assertThatThrownBy(() -> OnnxProgram.open(model, OnnxProgram.Options.DEFAULT))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("link out of the folder")
        .hasMessageContaining("copy the files themselves");
  }

  @Test
  void refusesAFolderThatIsALinkOutOfTheFolder() throws IOException {
    Path outside = Files.createDirectory(folder.resolve("outside"));
    Files.write(outside.resolve("data"), new byte[1 << 16]);
    Path model = Files.createDirectory(folder.resolve("models")).resolve("evil.onnx");
    Files.createSymbolicLink(model.resolveSibling("inner"), outside);
    Files.write(model, external("inner/data").build().toByteArray());

    assertThatThrownBy(() -> OnnxProgram.open(model, OnnxProgram.Options.DEFAULT))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("link out of the folder");
  }

  @Test
  void refusesAHardLink() throws IOException {
    Path secret = Files.write(folder.resolve("secret"), new byte[1 << 16]);
    Path model = Files.createDirectory(folder.resolve("models")).resolve("evil.onnx");
    Files.createLink(model.resolveSibling("data"), secret);
    Files.write(model, external("data").build().toByteArray());

    assertThatThrownBy(() -> OnnxProgram.open(model, OnnxProgram.Options.DEFAULT))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("hard link");
  }

  @Test
  void findsExternalDataInEveryCornerOfTheModel() throws IOException {
    OnnxMl.TensorProto evil = evilTensor("../secret").build();
    OnnxMl.AttributeProto value =
        OnnxMl.AttributeProto.newBuilder()
            .setName("value")
            .setType(OnnxMl.AttributeProto.AttributeType.TENSOR)
            .setT(evil)
            .build();
    OnnxMl.NodeProto constant =
        OnnxMl.NodeProto.newBuilder()
            .setOpType("Constant")
            .addOutput("c")
            .addAttribute(value)
            .build();
    OnnxMl.GraphProto inner =
        OnnxMl.GraphProto.newBuilder().setName("inner").addNode(constant).build();

    assertRefused(m -> m.getGraphBuilder().addNode(constant));
    assertRefused(
        m ->
            m.getGraphBuilder()
                .addNode(
                    OnnxMl.NodeProto.newBuilder()
                        .setOpType("If")
                        .addAttribute(
                            OnnxMl.AttributeProto.newBuilder()
                                .setName("then_branch")
                                .setType(OnnxMl.AttributeProto.AttributeType.GRAPH)
                                .setG(inner))));
    assertRefused(
        m ->
            m.addFunctions(
                OnnxMl.FunctionProto.newBuilder()
                    .setName("f")
                    .setDomain("own")
                    .addNode(constant)));
    assertRefused(
        m ->
            m.getGraphBuilder()
                .addSparseInitializer(OnnxMl.SparseTensorProto.newBuilder().setValues(evil)));
  }

  private void assertRefused(Consumer<OnnxMl.ModelProto.Builder> change) throws IOException {
    OnnxMl.ModelProto.Builder model = identity();
    change.accept(model);
    Path file = Files.write(folder.resolve("corner.onnx"), model.build().toByteArray());
    assertThatThrownBy(() -> OnnxProgram.open(file, OnnxProgram.Options.DEFAULT))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("../secret");
  }

  @Test
  void refusesOperatorsOfUnknownMakers() throws IOException {
    OnnxMl.ModelProto.Builder model = identity();
    model.getGraphBuilder().getNodeBuilder(0).setDomain("com.evil");
    Path file = Files.write(folder.resolve("custom.onnx"), model.build().toByteArray());

    assertThatThrownBy(() -> OnnxProgram.open(file, OnnxProgram.Options.DEFAULT))
        .isInstanceOf(UnsupportedModelException.class)
        .hasMessageContaining("domain com.evil");
  }

  @Test
  void refusesAModelThatWasCompiledForOneAccelerator() throws IOException {
    OnnxMl.ModelProto.Builder model = identity();
    model.getGraphBuilder().getNodeBuilder(0).setDomain("com.microsoft").setOpType("EPContext");
    Path file = Files.write(folder.resolve("compiled.onnx"), model.build().toByteArray());

    assertThatThrownBy(() -> OnnxProgram.open(file, OnnxProgram.Options.DEFAULT))
        .isInstanceOf(UnsupportedModelException.class)
        .hasMessageContaining("EPContext");
  }

  @Test
  void refusesAFileBeyondProtobufsLimit() throws IOException {
    Path file = folder.resolve("large.onnx");
    try (RandomAccessFile sparse = new RandomAccessFile(file.toFile(), "rw")) {
      sparse.setLength(2_100_000_000L + 100_000_000L);
    }

    assertThatThrownBy(() -> OnnxProgram.open(file, OnnxProgram.Options.DEFAULT))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("2147483647")
        .hasMessageContaining("2200000000")
        .hasMessageContaining("external data");
  }

  @ParameterizedTest
  @CsvSource({
    "'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n', git lfs pull",
    "'<!DOCTYPE html><html>', web page",
    "'', not an ONNX model",
    "'PK\u0003\u0004', not an ONNX model"
  })
  void refusesWhatIsNotOnnxAndSaysWhatItIs(String content, String why) throws IOException {
    Path file = Files.writeString(folder.resolve("fake.onnx"), content);

    assertThatThrownBy(() -> OnnxProgram.open(file, OnnxProgram.Options.DEFAULT))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("fake.onnx")
        .hasMessageContaining(why);
  }

  @Test
  void refusesAMissingFileAndAFolder() {
    assertThatThrownBy(
            () -> OnnxProgram.open(folder.resolve("absent.onnx"), OnnxProgram.Options.DEFAULT))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("absent.onnx");
    assertThatThrownBy(() -> OnnxProgram.open(folder, OnnxProgram.Options.DEFAULT))
        .isInstanceOf(CheckpointException.class);
  }

  @Test
  void refusesGraphsNestedWithoutEnd() throws IOException {
    OnnxMl.GraphProto graph = OnnxMl.GraphProto.newBuilder().setName("g").build();
    for (int i = 0; i < 60; i++) {
      graph =
          OnnxMl.GraphProto.newBuilder()
              .addNode(
                  OnnxMl.NodeProto.newBuilder()
                      .addAttribute(OnnxMl.AttributeProto.newBuilder().setName("g").setG(graph)))
              .build();
    }
    Path file =
        Files.write(
            folder.resolve("deep.onnx"), identity().setGraph(graph).build().toByteArray());

    assertThatThrownBy(() -> OnnxProgram.open(file, OnnxProgram.Options.DEFAULT))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("nested more than 16 deep");
  }

  @Test
  void answersDamagedFilesWithTypedErrorsOrRunsThem() throws IOException {
    byte[] sound = identity().build().toByteArray();
    Random random = new Random(42);
    for (int i = 0; i < 400; i++) {
      byte[] damaged = Arrays.copyOf(sound, 1 + random.nextInt(sound.length));
      for (int k = 0; k < i % 3; k++) {
        damaged[random.nextInt(damaged.length)] = (byte) random.nextInt();
      }
      Path file = Files.write(folder.resolve("damaged.onnx"), damaged);
      try {
        OnnxProgram.open(file, OnnxProgram.Options.DEFAULT).close();
      } catch (DiptychException e) {
        assertThat(e).hasMessageContaining("damaged.onnx");
      }
    }
  }

  /** One node, [N] to [N]. */
  private static OnnxMl.ModelProto.Builder identity() {
    OnnxGraph graph = new OnnxGraph("identity");
    graph.output(graph.input("x", ElementType.FLOAT32, "N"), "y", ElementType.FLOAT32, "N");
    return graph.model().toBuilder();
  }

  private static OnnxMl.ModelProto.Builder external(String location) {
    OnnxMl.ModelProto.Builder model = identity();
    model.getGraphBuilder().addInitializer(evilTensor(location));
    return model;
  }

  private static OnnxMl.TensorProto.Builder evilTensor(String location) {
    return OnnxMl.TensorProto.newBuilder()
        .setName("w")
        .setDataType(1)
        .addDims(4)
        .setDataLocation(OnnxMl.TensorProto.DataLocation.EXTERNAL)
        .addExternalData(
            OnnxMl.StringStringEntryProto.newBuilder()
                .setKeyBytes(ByteString.copyFromUtf8("location"))
                .setValue(location))
        .addExternalData(OnnxGraph.entry("offset", "0"))
        .addExternalData(OnnxGraph.entry("length", "16"));
  }
}
