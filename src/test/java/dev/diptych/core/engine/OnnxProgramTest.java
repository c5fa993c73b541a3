package dev.diptych.core.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.DeviceChoice;
import dev.diptych.core.EngineException;
import dev.diptych.core.GenerationCancelledException;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.engine.OnnxGraph.ElementType;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** Programs of ONNX Runtime: what they refuse, how they share, how they end. */
class OnnxProgramTest {
  @Test
  void tellsItsInputsAndOutputs() {
    try (OnnxProgram program = blocks(1)) {
      assertThat(program.inputs())
          .containsExactly(
              new OnnxProgram.Port("x", "float32", List.of(-1L, 64L, -1L, -1L)));
      assertThat(program.outputs()).extracting(OnnxProgram.Port::name).containsExactly("y");
    }
  }

  @Test
  void computesWithTheInjectedWeightsAfterTheirBuffersWereOverwritten() {
    List<FloatBuffer> buffers = new ArrayList<>();
    OnnxWeights remembered =
        weight -> {
          buffers.add(TestGraphs.random(weight));
          return buffers.get(buffers.size() - 1);
        };
    OnnxArray picture = TestGraphs.picture(8, 1);
    try (OnnxProgram program =
            OnnxProgram.of(TestGraphs.blocks(2), remembered, OnnxProgram.Options.DEFAULT);
        OnnxProgram same = blocks(2)) {
      for (FloatBuffer buffer : buffers) {
        for (int i = 0; i < buffer.capacity(); i++) {
          buffer.put(i, Float.NaN);
        }
      }

      assertThat(run(program, picture)).isEqualTo(run(same, picture));
    }
  }

  @Test
  void takesHeapAndDirectBuffersAndBothElementTypes() {
    OnnxGraph graph = new OnnxGraph("pick");
    OnnxGraph.Edge from = graph.input("from", ElementType.FLOAT32, "N");
    OnnxGraph.Edge at = graph.input("at", ElementType.INT64, "M");
    graph.output(graph.node("Gather", from, at), "picked", ElementType.FLOAT32, "M");
    graph.output(graph.node("Add", at, at), "twice", ElementType.INT64, "M");
    FloatBuffer direct = OnnxArray.directFloats(3).put(new float[] {1, 2, 3}).flip();

    try (OnnxProgram program =
        OnnxProgram.of(graph, TestGraphs::random, OnnxProgram.Options.DEFAULT)) {
      OnnxArray indices = OnnxArray.of(new long[] {2, 0}, 2);
      for (OnnxArray floats :
          List.of(OnnxArray.of(new float[] {1, 2, 3}, 3), OnnxArray.of(direct, 3))) {
        Map<String, OnnxArray> out = program.run(Map.of("from", floats, "at", indices));

        assertThat(out.get("picked").toFloats()).containsExactly(3, 1);
        assertThat(out.get("twice").toLongs()).containsExactly(4, 0);
      }
    }
  }

  @Test
  void refusesInputsThatDoNotFit() {
    try (OnnxProgram program = blocks(1)) {
      OnnxArray good = TestGraphs.picture(4, 1);
      assertThatThrownBy(() -> program.run(Map.of()))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("x float32 [-1, 64, -1, -1]")
          .hasMessageContaining("no such input");
      assertThatThrownBy(() -> program.run(Map.of("x", good, "z", good)))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("no input z");
      assertThatThrownBy(() -> program.run(Map.of("x", OnnxArray.of(new long[64], 1, 64, 1, 1))))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("INT64 [1, 64, 1, 1]");
      assertThatThrownBy(() -> program.run(Map.of("x", OnnxArray.of(new float[63], 1, 63, 1, 1))))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("[1, 63, 1, 1]");
      assertThatThrownBy(() -> program.run(Map.of("x", OnnxArray.of(new float[64], 64))))
          .isInstanceOf(InvalidRequestException.class);
    }
  }

  @Test
  void namesTheGraphWhenOnnxRuntimeRefusesIt() {
    OnnxGraph graph = new OnnxGraph("nonsense");
    OnnxGraph.Edge x = graph.input("x", ElementType.FLOAT32, 2, 3);
    graph.output(graph.node("MatMul", x, x), "y", ElementType.FLOAT32, 2, 2);

    assertThatThrownBy(
            () -> OnnxProgram.of(graph, TestGraphs::random, OnnxProgram.Options.DEFAULT))
        .isInstanceOf(EngineException.class)
        .hasMessageContaining("graph nonsense")
        .hasMessageContaining("ONNX Runtime says");
  }

  @Test
  void namesTheArtifactThatTheGpuNeeds() {
    OnnxProgram.Options gpu = new OnnxProgram.Options(0, DeviceChoice.GPU);

    // The tests run with the artifact for CPUs.
    assertThatThrownBy(() -> OnnxProgram.of(TestGraphs.blocks(1), TestGraphs::random, gpu))
        .isInstanceOf(EngineException.class)
        .hasMessageContaining("on the GPU")
        .hasMessageContaining("com.microsoft.onnxruntime:onnxruntime_gpu");
  }

  @Test
  void staysUsableAfterAFailedRun() {
    OnnxGraph graph = new OnnxGraph("divide");
    OnnxGraph.Edge from = graph.input("from", ElementType.FLOAT32, "N");
    OnnxGraph.Edge at = graph.input("at", ElementType.INT64, 1);
    graph.output(graph.node("Gather", from, at), "picked", ElementType.FLOAT32, 1);
    try (OnnxProgram program =
        OnnxProgram.of(graph, TestGraphs::random, OnnxProgram.Options.DEFAULT)) {
      OnnxArray from3 = OnnxArray.of(new float[] {1, 2, 3}, 3);
      assertThatThrownBy(
              () -> program.run(Map.of("from", from3, "at", OnnxArray.of(new long[] {9}, 1))))
          .isInstanceOf(EngineException.class)
          .hasMessageContaining("Cannot run divide");

      assertThat(
              program
                  .run(Map.of("from", from3, "at", OnnxArray.of(new long[] {1}, 1)))
                  .get("picked")
                  .toFloats())
          .containsExactly(2);
    }
  }

  @Test
  void parallelRunsEqualSingleRunsToTheBit() throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(6);
    try (OnnxProgram program = blocks(3)) {
      List<float[]> single = new ArrayList<>();
      for (int i = 0; i < 6; i++) {
        single.add(run(program, TestGraphs.picture(16 + i, i)));
      }

      List<Callable<float[]>> tasks = new ArrayList<>();
      for (int i = 0; i < 48; i++) {
        int seed = i % 6;
        tasks.add(() -> run(program, TestGraphs.picture(16 + seed, seed)));
      }
      List<Future<float[]>> found = threads.invokeAll(tasks);

      for (int i = 0; i < found.size(); i++) {
        assertThat(found.get(i).get()).as("run %d", i).isEqualTo(single.get(i % 6));
      }
    } finally {
      threads.shutdownNow();
    }
  }

  @Test
  void closeWaitsForTheRunsUnderWayAndTurnsLaterOnesAway() throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(4);
    try {
      for (int round = 0; round < 5; round++) {
        OnnxProgram program = blocks(4);
        float[] expected = run(program, TestGraphs.picture(48, 1));
        CountDownLatch inside = new CountDownLatch(4);
        AtomicInteger whole = new AtomicInteger();
        List<Future<?>> runs = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
          runs.add(
              threads.submit(
                  () -> {
                    try {
                      while (true) {
                        float[] found = run(program, TestGraphs.picture(48, 1));
                        assertThat(found).isEqualTo(expected);
                        whole.incrementAndGet();
                        inside.countDown();
                      }
                    } catch (IllegalStateException e) {
                      assertThat(e).hasMessageContaining("is closed");
                    }
                  }));
        }
        assertThat(inside.await(60, TimeUnit.SECONDS)).isTrue();

        program.close();
        program.close();

        for (Future<?> run : runs) {
          run.get(60, TimeUnit.SECONDS);
        }
        assertThat(whole.get()).isGreaterThanOrEqualTo(4);
        assertThatThrownBy(() -> run(program, TestGraphs.picture(4, 1)))
            .isInstanceOf(IllegalStateException.class);
      }
    } finally {
      threads.shutdownNow();
    }
  }

  @Test
  void endsARunEarlyWithWhatTheStepThrows() {
    try (OnnxProgram program = blocks(12)) {
      OnnxArray large = TestGraphs.picture(320, 1);
      AtomicInteger asked = new AtomicInteger();
      GenerationCancelledException cancel = new GenerationCancelledException("enough");

      assertThatThrownBy(
              () ->
                  program.run(
                      Map.of("x", large),
                      () -> {
                        if (asked.incrementAndGet() == 2) {
                          throw cancel;
                        }
                      }))
          .isSameAs(cancel);

      assertThat(asked.get()).isEqualTo(2);
      assertThat(run(program, TestGraphs.picture(4, 1))).hasSize(64 * 16);
    }
  }

  private static OnnxProgram blocks(int count) {
    return OnnxProgram.of(
        TestGraphs.blocks(count), TestGraphs::random, OnnxProgram.Options.DEFAULT);
  }

  private static float[] run(OnnxProgram program, OnnxArray picture) {
    return program.run(Map.of("x", picture)).get("y").toFloats();
  }
}
