package dev.diptych.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.Cancellation;
import dev.diptych.core.DType;
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
import dev.diptych.core.Modality;
import dev.diptych.core.Output;
import dev.diptych.core.Part;
import dev.diptych.core.ResourceLimitException;
import dev.diptych.core.Session;
import dev.diptych.core.UnifiedModel;
import dev.diptych.core.UnsupportedRequestException;
import dev.diptych.core.engine.LibTorch;
import dev.diptych.core.engine.Value;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/** What every model and session promises, whatever its family; each family's test extends it. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
public abstract class ModelContract extends ProbeContract {
  /** In the format of the goldens. */
  protected static final LoadOptions FLOAT32 = LoadOptions.DEFAULT.withDtype(DType.FLOAT32);

  /** Shared by the tests, which leave it open. */
  protected UnifiedModel model;

  /** Loads a tiny checkpoint that reads pictures and draws. */
  protected abstract UnifiedModel load(LoadOptions options);

  @Override
  protected UnifiedModel probed() {
    return model;
  }

  /** {@return bytes in which its weights fit and a thousand pictures do not} */
  protected abstract long smallLimit();

  @BeforeAll
  void loadModel() {
    model = load(FLOAT32);
  }

  @AfterAll
  void closeModel() {
    model.close();
  }

  @Test
  void cancelledAnywhereTheSessionStandsWhereItStoodAndNothingLeaks() {
    try (Session session = model.newSession()) {
      session.generate(ask("first", 4));
      long live = Value.live();
      GenerationResult expected;
      try (Session other = model.newSession()) {
        other.generate(ask("first", 4));
        expected = other.generate(ask("second", 8));
      }
      for (int step : new int[] {0, 1, 3}) {
        Cancellation cancellation = new Cancellation();
        GenerationListener cancelling =
            new GenerationListener() {
              private int tokens;

              @Override
              public void onText(String piece) {
                if (++tokens >= step) {
                  cancellation.cancel();
                }
              }
            };
        if (step == 0) {
          cancellation.cancel();
        }
        GenerationRequest request =
            GenerationRequest.builder()
                .text("cancelled")
                .options(GenerationOptions.builder().maxTokens(200).temperature(1).seed(5).build())
                .listener(cancelling)
                .cancellation(cancellation)
                .build();
        assertThatThrownBy(() -> session.generate(request))
            .isInstanceOf(GenerationCancelledException.class);
        assertThat(Value.live()).as("open values after step %d", step).isEqualTo(live);
      }

      assertThat(session.generate(ask("second", 8)).tokenIds()).isEqualTo(expected.tokenIds());
    }
  }

  @Test
  void aDrawingThatFailsLeavesTheConversationAsItWas() {
    GenerationRequest draw =
        GenerationRequest.builder()
            .text("a circle")
            .output(Output.IMAGE)
            .options(GenerationOptions.builder().seed(3).build())
            .build();
    List<Integer> expected;
    try (Session session = model.newSession()) {
      session.generate(ask("first", 4));
      session.generate(draw);
      expected = session.generate(ask("second", 8)).tokenIds();
    }
    try (Session session = model.newSession()) {
      session.generate(ask("first", 4));
      for (int at : new int[] {1, codes() - 1}) {
        assertThatThrownBy(() -> session.generate(failing(at)))
            .hasMessage("the listener fails");
      }
      session.generate(draw);

      assertThat(session.generate(ask("second", 8)).tokenIds()).isEqualTo(expected);
    }
  }

  private static GenerationRequest failing(int at) {
    return GenerationRequest.builder()
        .text("a square")
        .output(Output.IMAGE)
        .listener(
            new GenerationListener() {
              @Override
              public void onImageProgress(int done, int total) {
                if (done == at) {
                  throw new IllegalStateException("the listener fails");
                }
              }
            })
        .build();
  }

  /** Nothing is made or copied on the way, by the first of them neither. */
  @Test
  void everyFurtherTokenTakesOneNativeCall() {
    List<Long> calls = new ArrayList<>();
    for (int most = 1; most <= 4; most++) {
      try (Session session = model.newSession()) {
        long begin = LibTorch.calls();
        assertThat(session.generate(ask("first", most)).tokenIds()).hasSize(most);
        calls.add(LibTorch.calls() - begin);
      }
    }

    assertThat(calls)
        .containsExactly(
            calls.get(0), calls.get(0) + 1, calls.get(0) + 2, calls.get(0) + 3);
  }

  @Test
  void aDrawingIsCancelledWithinOneStep() {
    for (int at : new int[] {1, codes() / 2, codes()}) {
      long live = Value.live();
      Cancellation cancellation = new Cancellation();
      int[] last = new int[1];
      GenerationRequest request =
          GenerationRequest.builder()
              .text("a circle")
              .output(Output.IMAGE)
              .cancellation(cancellation)
              .listener(
                  new GenerationListener() {
                    @Override
                    public void onImageProgress(int done, int total) {
                      last[0] = done;
                      if (done == at) {
                        cancellation.cancel();
                      }
                    }
                  })
              .build();

      assertThatThrownBy(() -> model.generate(request))
          .isInstanceOf(GenerationCancelledException.class);
      assertThat(last[0]).isEqualTo(at);
      assertThat(Value.live()).isEqualTo(live);
    }
  }

  @Test
  void aHandleCancelsBeforeTheFirstToken() {
    try (Session session = model.newSession()) {
      GenerationOptions many = GenerationOptions.builder().pictures(64).build();
      GenerationRequest request =
          GenerationRequest.builder().text("a circle").output(Output.IMAGE).options(many).build();
      Generation generation = session.start(request);
      generation.cancel();

      assertThatThrownBy(generation::result).isInstanceOf(GenerationCancelledException.class);
      // The handle cancels its own run, not the request for good.
      assertThat(session.generate(request).images()).hasSize(64);
    }
  }

  @Test
  void aDeadlineEndsTheRequestAndTheSessionStaysUsable() {
    try (Session session = model.newSession()) {
      GenerationRequest request =
          GenerationRequest.builder()
              .text("a circle")
              .output(Output.IMAGE)
              .deadline(Duration.ofNanos(1))
              .build();

      assertThatThrownBy(() -> session.generate(request))
          .isInstanceOf(DeadlineExceededException.class)
          .hasMessageContaining("deadline of 0 ms");
      assertThat(session.generate(ask("go on", 2)).tokenIds()).isNotEmpty();
    }
  }

  @Test
  void aListenerThatThrowsEndsTheRequestAndTheErrorArrivesOnce() {
    IllegalStateException own = new IllegalStateException("mine");
    GenerationRequest request =
        GenerationRequest.builder()
            .text("a circle")
            .output(Output.IMAGE)
            .listener(
                new GenerationListener() {
                  @Override
                  public void onImageProgress(int done, int total) {
                    throw own;
                  }
                })
            .build();
    long live = Value.live();

    assertThatThrownBy(() -> model.generate(request)).isSameAs(own);
    assertThat(Value.live()).isEqualTo(live);
  }

  @Test
  void aListenerCannotCallItsOwnSession() {
    try (Session session = model.newSession()) {
      GenerationRequest request =
          GenerationRequest.builder()
              .text("hello")
              .options(GenerationOptions.builder().maxTokens(3).build())
              .listener(
                  new GenerationListener() {
                    @Override
                    public void onPart(Part part) {
                      session.generate(ask("again", 1));
                    }
                  })
              .build();

      assertThatThrownBy(() -> session.generate(request))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("one at a time");
    }
  }

  @Test
  void aListenerCannotCloseTheModelItHearsOf() {
    GenerationRequest request =
        GenerationRequest.builder()
            .text("a circle")
            .output(Output.IMAGE)
            .listener(
                new GenerationListener() {
                  @Override
                  public void onImageProgress(int done, int total) {
                    model.close();
                  }
                })
            .build();

    assertThatThrownBy(() -> model.generate(request))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("cannot close the model");
    assertThat(model.generate(ask("go on", 2)).tokenIds()).isNotEmpty();
  }

  @Test
  void aPromptThatDoesNotFitTheContextIsRefusedBeforeItIsRead() {
    int context = model.capabilities().maxSequenceLength();
    String words = "word ".repeat(2 * context);

    assertThatThrownBy(() -> model.generate(ask(words, 1)))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining(context + " tokens");
    assertThatThrownBy(
            () ->
                model.generate(
                    GenerationRequest.builder().text(words).output(Output.IMAGE).build()))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("at most " + context + " tokens");
  }

  @Test
  void morePicturesThanMemoryHoldsAreRefusedWithBothNumbers() {
    try (UnifiedModel small = load(FLOAT32.withMemoryLimit(smallLimit()))) {
      GenerationRequest many =
          GenerationRequest.builder()
              .text("a circle")
              .output(Output.IMAGE)
              .options(GenerationOptions.builder().pictures(1024).build())
              .build();

      assertThatThrownBy(() -> small.generate(many))
          .isInstanceOfSatisfying(
              ResourceLimitException.class,
              e -> {
                assertThat(e.asked()).isGreaterThan(e.allowed());
                assertThat(e.allowed()).isBetween(1L, smallLimit());
              })
          .hasMessageContaining("1024 pictures");
      assertThat(small.draw("a circle").width()).isPositive();
    }
    assertThatThrownBy(() -> load(FLOAT32.withMemoryLimit(1000)))
        .isInstanceOf(ResourceLimitException.class)
        .hasMessageContaining("the weights of");
  }

  @Test
  void sixteenThreadsGetWhatOneThreadGets() throws Exception {
    List<GenerationRequest> requests = new ArrayList<>();
    for (int i = 0; i < 16; i++) {
      GenerationOptions.Builder options = GenerationOptions.builder().maxTokens(12).seed(i % 5);
      boolean draws = i % 2 == 0;
      requests.add(
          GenerationRequest.builder()
              .text("draw or say " + i % 3)
              .output(draws ? Output.IMAGE : Output.TEXT)
              .options((draws ? options : options.temperature(1)).build())
              .build());
    }
    List<GenerationResult> alone = requests.stream().map(model::generate).toList();
    ExecutorService pool = Executors.newFixedThreadPool(16);
    try {
      for (int round = 0; round < 3; round++) {
        List<Callable<GenerationResult>> calls = new ArrayList<>();
        requests.forEach(r -> calls.add(() -> model.generate(r)));
        List<Future<GenerationResult>> together = pool.invokeAll(calls);
        for (int i = 0; i < 16; i++) {
          assertThat(together.get(i).get().tokenIds()).isEqualTo(alone.get(i).tokenIds());
          assertThat(together.get(i).get().imageCodes()).isEqualTo(alone.get(i).imageCodes());
        }
      }
    } finally {
      pool.shutdownNow();
    }
  }

  @Test
  void closingTheModelCancelsWhoIsInsideAndRefusesWhoComesLater() throws Exception {
    UnifiedModel own = load(FLOAT32);
    List<Session> sessions = new ArrayList<>();
    List<Generation> running = new ArrayList<>();
    CountDownLatch started = new CountDownLatch(8);
    for (int i = 0; i < 8; i++) {
      Session session = own.newSession();
      sessions.add(session);
      running.add(
          session.start(
              GenerationRequest.builder()
                  .text("a circle")
                  .output(Output.IMAGE)
                  .options(GenerationOptions.builder().pictures(64).build())
                  .listener(
                      new GenerationListener() {
                        @Override
                        public void onImageProgress(int done, int total) {
                          started.countDown();
                          try {
                            started.await();
                          } catch (InterruptedException e) {
                            Thread.currentThread().interrupt();
                          }
                        }
                      })
                  .build()));
    }
    started.await();
    own.close();
    own.close();

    for (Generation generation : running) {
      assertThatThrownBy(generation::result)
          .isInstanceOf(GenerationCancelledException.class)
          .hasMessageContaining("being closed");
    }
    assertThatThrownBy(own::newSession)
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("is closed");
    assertThatThrownBy(() -> sessions.get(0).generate(ask("x", 1)))
        .isInstanceOf(IllegalStateException.class);
    sessions.forEach(Session::close);
    sessions.forEach(Session::close);
    assertThatThrownBy(() -> sessions.get(0).generate(ask("x", 1)))
        .isInstanceOf(IllegalStateException.class);
  }

  @Test
  void previewsComeWhileThePictureForms() {
    List<Image> previews = new ArrayList<>();
    GenerationResult result =
        model.generate(
            GenerationRequest.builder()
                .text("a circle")
                .output(Output.IMAGE)
                .previewEvery(Duration.ZERO)
                .listener(
                    new GenerationListener() {
                      @Override
                      public void onPreview(int index, Image preview) {
                        previews.add(preview);
                      }
                    })
                .build());

    assertThat(previews).hasSize(codes() - 1);
    Image last = previews.get(previews.size() - 1);
    assertThat(last.width()).isEqualTo(result.images().get(0).width());
    assertThat(last).isNotEqualTo(previews.get(0));
  }

  @Test
  void aPictureOfASizeThatTheModelDoesNotDrawIsRefused() {
    GenerationRequest odd =
        GenerationRequest.builder()
            .text("a circle")
            .output(Output.IMAGE)
            .options(GenerationOptions.builder().imageSize(77, 1234).build())
            .build();

    assertThatThrownBy(() -> model.generate(odd))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("77x1234");
  }

  @Test
  void stepsOfDenoisingAreHeededOrRefused() {
    int[] steps = new int[1];
    GenerationRequest few =
        GenerationRequest.builder()
            .text("a circle")
            .output(Output.IMAGE)
            .options(GenerationOptions.builder().inferenceSteps(3).build())
            .listener(
                new GenerationListener() {
                  @Override
                  public void onImageProgress(int done, int total) {
                    steps[0] = total;
                  }
                })
            .build();

    if (model.defaults(few.reads(), Output.IMAGE).inferenceSteps().isPresent()) {
      assertThat(model.generate(few).images()).hasSize(1);
      assertThat(steps[0]).isEqualTo(3);
    } else {
      assertThatThrownBy(() -> model.generate(few))
          .isInstanceOf(UnsupportedRequestException.class)
          .hasMessageContaining("inferenceSteps");
      assertThat(steps[0]).isZero();
    }
  }

  @Test
  void optionsOfTokensAreHeededByPicturesOfTokensAndRefusedByOthers() {
    for (GenerationOptions.Builder options :
        List.of(
            GenerationOptions.builder().temperature(0.77),
            GenerationOptions.builder().topK(3),
            GenerationOptions.builder().topP(0.77))) {
      GenerationRequest draw =
          GenerationRequest.builder()
              .text("a circle")
              .output(Output.IMAGE)
              .options(options.build())
              .build();
      if (model.defaults(Output.IMAGE).inferenceSteps().isPresent()) {
        assertThatThrownBy(() -> model.generate(draw))
            .isInstanceOf(UnsupportedRequestException.class)
            .hasMessageContaining("is for tokens");
      } else {
        assertThat(model.generate(draw).images()).hasSize(1);
      }
    }
    // Whoever fills in the model's own defaults asks for nothing else.
    GenerationRequest filled =
        GenerationRequest.builder()
            .text("a circle")
            .output(Output.IMAGE)
            .options(model.defaults(Output.IMAGE))
            .build();
    assertThat(model.generate(filled).images()).hasSize(1);
  }

  @Test
  void guidanceByPicturesIsHeededOrRefused() {
    GenerationRequest draw =
        GenerationRequest.builder()
            .text("a circle")
            .output(Output.IMAGE)
            .options(GenerationOptions.builder().imageGuidanceScale(2).build())
            .build();

    if (model.defaults(Output.IMAGE).imageGuidanceScale().isPresent()) {
      assertThat(model.generate(draw).images()).hasSize(1);
    } else {
      assertThatThrownBy(() -> model.generate(draw))
          .isInstanceOf(UnsupportedRequestException.class)
          .hasMessageContaining("imageGuidanceScale");
    }
  }

  @Test
  void anEditTakesAPictureAndAModelThatDrawsFromOne() {
    Image picture = model.draw("a circle");

    if (model.capabilities().supports(EnumSet.allOf(Modality.class), Output.IMAGE)) {
      assertThat(model.edit(picture, "make it green").width()).isPositive();
    } else {
      assertThatThrownBy(() -> model.edit(picture, "make it green"))
          .isInstanceOf(UnsupportedRequestException.class)
          .hasMessageContaining("cannot do IMAGE and TEXT -> IMAGE");
    }
    assertThatThrownBy(() -> model.edit(null, "make it green"))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("\"make it green\" alone");
  }

  @Test
  void streamedPiecesAreTheText() {
    StringBuilder told = new StringBuilder();
    GenerationResult result =
        model.generate(
            GenerationRequest.builder()
                .text("tell me")
                .options(GenerationOptions.builder().maxTokens(40).temperature(1).seed(3).build())
                .listener(
                    new GenerationListener() {
                      @Override
                      public void onText(String piece) {
                        told.append(piece);
                      }
                    })
                .build());

    assertThat(told).hasToString(result.text()).isNotEmpty();
  }

  protected static GenerationRequest ask(String text, int tokens) {
    return GenerationRequest.builder()
        .text(text)
        .options(GenerationOptions.builder().greedy(true).maxTokens(tokens).build())
        .build();
  }
}
