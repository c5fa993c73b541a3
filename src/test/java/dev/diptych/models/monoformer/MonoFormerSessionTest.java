package dev.diptych.models.monoformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.assertj.core.api.Assertions.within;

import dev.diptych.core.Cancellation;
import dev.diptych.core.DeadlineExceededException;
import dev.diptych.core.Generation;
import dev.diptych.core.GenerationCancelledException;
import dev.diptych.core.GenerationListener;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.Output;
import dev.diptych.core.ResourceLimitException;
import dev.diptych.core.Session;
import dev.diptych.core.UnifiedModel;
import dev.diptych.core.UnsupportedRequestException;
import dev.diptych.core.engine.Value;
import dev.diptych.testing.Golden;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a model promises that draws and does nothing else. */
class MonoFormerSessionTest {
  private static final int STEPS = 20;

  private static MonoFormerModel model;

  @BeforeAll
  static void load() {
    model = MonoFormerFolder.load("published");
  }

  @AfterAll
  static void close() {
    model.close();
  }

  private static GenerationRequest.Builder drawing(GenerationOptions.Builder options) {
    return GenerationRequest.builder()
        .text("beach wagon")
        .output(Output.IMAGE)
        .options(options.build());
  }

  private static GenerationOptions.Builder seeded(long seed) {
    return GenerationOptions.builder().seed(seed);
  }

  private interface AtStep {
    void at(int done);
  }

  private static GenerationListener listener(AtStep then) {
    return new GenerationListener() {
      @Override
      public void onImageProgress(int done, int total) {
        assertThat(total).isEqualTo(STEPS);
        then.at(done);
      }
    };
  }

  @Test
  void defaultsAreTheAuthors() {
    GenerationOptions defaults = model.defaults(Output.IMAGE);

    assertThat(defaults.inferenceSteps()).hasValue(STEPS);
    assertThat(defaults.guidanceScale()).hasValue(4);
    assertThat(model.draw("tench").width()).isEqualTo(48);
    assertThat(model.draw("tench").height()).isEqualTo(48);
  }

  @Test
  void oneSeedDrawsOnePictureAndRowsOfABatchStandAlone() {
    List<Image> three = model.generate(drawing(seeded(7).pictures(3)).build()).images();
    Image one = model.generate(drawing(seeded(7)).build()).images().get(0);
    Image other = model.generate(drawing(seeded(8)).build()).images().get(0);

    assertThat(three).hasSize(3).doesNotHaveDuplicates();
    assertThat(one).isNotEqualTo(other);
    // Products of more rows are rounded otherwise, and bytes are truncated.
    byte[] first = three.get(0).rgb();
    for (int i = 0; i < first.length; i++) {
      assertThat(one.rgb()[i] & 255).as("byte %d", i).isCloseTo(first[i] & 255, within(1));
    }
  }

  @Test
  void theWordsCountAndSoDoesGuidance() {
    Image wagon = model.generate(drawing(seeded(7)).build()).images().get(0);
    Image unguided = model.generate(drawing(seeded(7).guidanceScale(1)).build()).images().get(0);
    Image fish =
        model
            .generate(
                GenerationRequest.builder()
                    .text("goldfish")
                    .output(Output.IMAGE)
                    .options(seeded(7).build())
                    .build())
            .images()
            .get(0);

    assertThat(List.of(wagon, unguided, fish)).doesNotHaveDuplicates();
  }

  @Test
  void aRequestIsCancelledWithinOneStepAndNothingLeaks() {
    try (Session session = model.newSession()) {
      Image expected = session.generate(drawing(seeded(5)).build()).images().get(0);
      for (int at : new int[] {1, STEPS / 2, STEPS}) {
        long live = Value.live();
        Cancellation cancellation = new Cancellation();
        int[] last = new int[1];
        GenerationRequest request =
            drawing(seeded(5))
                .cancellation(cancellation)
                .listener(
                    listener(
                        done -> {
                          last[0] = done;
                          if (done == at) {
                            cancellation.cancel();
                          }
                        }))
                .build();

        assertThatThrownBy(() -> session.generate(request))
            .isInstanceOf(GenerationCancelledException.class);
        assertThat(last[0]).isEqualTo(at);
        assertThat(Value.live()).isEqualTo(live);
      }
      assertThat(session.generate(drawing(seeded(5)).build()).images()).containsExactly(expected);
    }
  }

  @Test
  void aListenerThatThrowsEndsTheRequestAndNothingLeaks() {
    IllegalStateException own = new IllegalStateException("mine");
    long live = Value.live();
    GenerationRequest request =
        drawing(seeded(5).pictures(2))
            .listener(
                listener(
                    done -> {
                      if (done == 3) {
                        throw own;
                      }
                    }))
            .build();

    assertThatThrownBy(() -> model.generate(request)).isSameAs(own);
    assertThat(Value.live()).isEqualTo(live);
  }

  @Test
  void aDeadlineEndsTheRequest() {
    GenerationRequest request = drawing(seeded(5)).deadline(Duration.ofNanos(1)).build();

    assertThatThrownBy(() -> model.generate(request))
        .isInstanceOf(DeadlineExceededException.class)
        .hasMessageContaining("deadline of 0 ms");
  }

  @Test
  void previewsComeWhileThePictureForms() {
    List<Image> previews = new ArrayList<>();
    GenerationResult result =
        model.generate(
            drawing(seeded(5).pictures(2))
                .previewEvery(Duration.ZERO)
                .listener(
                    new GenerationListener() {
                      @Override
                      public void onPreview(int index, Image preview) {
                        assertThat(index).isEqualTo(previews.size() % 2);
                        previews.add(preview);
                      }
                    })
                .build());

    assertThat(previews).hasSize(2 * (STEPS - 1));
    assertThat(previews.get(0)).isNotEqualTo(previews.get(2));
    assertThat(result.images()).hasSize(2);
    assertThat(result.promptTokenIds()).startsWith(1);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 7})
  void stepsAreAsManyAsWereAskedFor(int steps) {
    List<Integer> seen = new ArrayList<>();
    GenerationRequest request =
        drawing(seeded(5).inferenceSteps(steps))
            .listener(
                new GenerationListener() {
                  @Override
                  public void onImageProgress(int done, int total) {
                    assertThat(total).isEqualTo(steps);
                    seen.add(done);
                  }
                })
            .build();

    model.generate(request);

    assertThat(seen).hasSize(steps).last().isEqualTo(steps);
  }

  @Test
  void optionsThatMakeNoSenseAreRefused() {
    for (int steps : new int[] {0, 1_000_000}) {
      assertThatThrownBy(() -> GenerationOptions.builder().inferenceSteps(steps).build())
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("inferenceSteps is " + steps);
    }
    assertThatThrownBy(() -> model.generate(drawing(seeded(5).inferenceSteps(1001)).build()))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("1001 steps; expected 1 to 1000");
    assertThatThrownBy(() -> GenerationOptions.builder().guidanceScale(Double.NaN).build())
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("guidanceScale is NaN");
    assertThatThrownBy(() -> model.generate(drawing(seeded(5).timestepShift(3)).build()))
        .isInstanceOf(UnsupportedRequestException.class)
        .hasMessageContaining("timestepShift");
    assertThatThrownBy(() -> model.generate(drawing(seeded(5).imageSize(77, 1234)).build()))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("77x1234")
        .hasMessageContaining("48x48");
  }

  @Test
  void itSaysNothingAndReadsNoPictures() {
    Image picture = model.draw("tench");

    assertThatThrownBy(() -> model.caption(picture))
        .isInstanceOf(UnsupportedRequestException.class)
        .hasMessageContaining("supported: TEXT -> IMAGE");
    assertThatThrownBy(() -> model.edit(picture, "a fish"))
        .isInstanceOf(UnsupportedRequestException.class);
    assertThatThrownBy(() -> model.generate(GenerationRequest.builder().text("hello").build()))
        .isInstanceOf(UnsupportedRequestException.class);
  }

  @Test
  void aPromptThatLeavesNoRoomForThePictureIsRefused() {
    int context = model.capabilities().maxSequenceLength();
    GenerationRequest request =
        GenerationRequest.builder().text("word ".repeat(context)).output(Output.IMAGE).build();

    assertThatThrownBy(() -> model.generate(request))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("at most 64 tokens")
        .hasMessageContaining("10 of the picture");
  }

  @Test
  void morePicturesThanMemoryHoldsAreRefusedWithBothNumbers() {
    LoadOptions limited = MonoFormerFolder.FLOAT32.withMemoryLimit(1_000_000);
    try (UnifiedModel small =
        MonoFormerModel.load(Golden.folder("monoformer/published"), limited)) {
      assertThatThrownBy(() -> small.generate(drawing(seeded(1).pictures(1024)).build()))
          .isInstanceOfSatisfying(
              ResourceLimitException.class,
              e -> {
                assertThat(e.asked()).isGreaterThan(e.allowed());
                assertThat(e.allowed()).isBetween(1L, 1_000_000L);
              })
          .hasMessageContaining("1024 pictures");
      assertThat(small.draw("tench").width()).isEqualTo(48);
    }
    assertThatThrownBy(
            () ->
                MonoFormerModel.load(
                    Golden.folder("monoformer/published"), limited.withMemoryLimit(1000)))
        .isInstanceOf(ResourceLimitException.class)
        .hasMessageContaining("the weights of");
  }

  @Test
  void aCoderThatHasNoRoomIsToldBeforeAPictureIsBegun() {
    Path folder = Golden.folder("monoformer/published");
    long weights =
        catchThrowableOfType(
                ResourceLimitException.class,
                () -> MonoFormerModel.load(folder, MonoFormerFolder.FLOAT32.withMemoryLimit(1)))
            .asked();
    LoadOptions limited = MonoFormerFolder.FLOAT32.withMemoryLimit(weights + 10);
    try (UnifiedModel full = MonoFormerModel.load(folder, limited)) {
      assertThatThrownBy(() -> full.draw("tench"))
          .isInstanceOf(ResourceLimitException.class)
          .hasMessageContaining("the picture decoder's features");
    }
  }

  @Test
  void severalThreadsGetWhatOneThreadGets() throws Exception {
    List<GenerationRequest> requests = new ArrayList<>();
    for (int i = 0; i < 6; i++) {
      requests.add(drawing(seeded(i % 3).inferenceSteps(5).pictures(1 + i % 2)).build());
    }
    List<List<Image>> alone = requests.stream().map(r -> model.generate(r).images()).toList();
    ExecutorService pool = Executors.newFixedThreadPool(6);
    try {
      List<Callable<List<Image>>> calls = new ArrayList<>();
      requests.forEach(r -> calls.add(() -> model.generate(r).images()));
      List<Future<List<Image>>> together = pool.invokeAll(calls);
      for (int i = 0; i < together.size(); i++) {
        assertThat(together.get(i).get()).isEqualTo(alone.get(i));
      }
    } finally {
      pool.shutdownNow();
    }
  }

  @Test
  void closingTheModelCancelsWhoIsInsideAndRefusesWhoComesLater() throws Exception {
    MonoFormerModel own = MonoFormerFolder.load("token");
    CountDownLatch started = new CountDownLatch(1);
    Session session = own.newSession();
    Generation running =
        session.start(
            drawing(seeded(1).inferenceSteps(1000))
                .listener(
                    new GenerationListener() {
                      @Override
                      public void onImageProgress(int done, int total) {
                        started.countDown();
                      }
                    })
                .build());
    started.await();
    own.close();

    assertThatThrownBy(running::result)
        .isInstanceOf(GenerationCancelledException.class)
        .hasMessageContaining("being closed");
    assertThatThrownBy(own::newSession)
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("is closed");
    session.close();
  }
}
