package dev.diptych.models.chameleon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.FinishReason;
import dev.diptych.core.GenerationListener;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.Output;
import dev.diptych.core.Part;
import dev.diptych.core.ResourceLimitException;
import dev.diptych.core.Session;
import dev.diptych.core.UnifiedModel;
import dev.diptych.core.UnsupportedRequestException;
import dev.diptych.models.ModelContract;
import dev.diptych.models.discrete.WithoutCache;
import dev.diptych.testing.Golden;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A conversation in which words and pictures are one stream, on a tiny checkpoint of Meta's layout. */
class ChameleonSessionTest extends ModelContract {
  private static final int BEGIN_OF_IMAGE = 69;
  private static final int END_OF_IMAGE = 68;
  private static final int END_OF_TURN = 70;

  @Override
  protected UnifiedModel load(LoadOptions options) {
    return ChameleonModel.load(Golden.folder("chameleon/meta/checkpoint"), options);
  }

  @Override
  protected int codes() {
    return 16;
  }

  @Override
  protected long smallLimit() {
    return 4_000_000;
  }

  private static GenerationOptions.Builder sampled(long seed) {
    return GenerationOptions.builder().temperature(1).topP(1).repetitionPenalty(1).seed(seed);
  }

  private static GenerationRequest draw(String text, GenerationOptions options) {
    return GenerationRequest.builder()
        .text(text)
        .output(Output.IMAGE)
        .options(options)
        .build();
  }

  private static GenerationRequest say(String text, GenerationOptions options) {
    return GenerationRequest.builder().text(text).options(options).build();
  }

  private static GenerationRequest tell(String text, GenerationOptions options) {
    return GenerationRequest.builder()
        .text(text)
        .output(Output.INTERLEAVED)
        .options(options)
        .build();
  }

  /** What follows a drawing is what would follow if its codes had been read as a prompt. */
  @Test
  void whatWasDrawnCanBeTalkedAboutWithoutReadingItAgain() {
    GenerationOptions drawing = sampled(3).guidanceScale(3).imageGuidanceScale(1.2).build();
    GenerationOptions greedy =
        GenerationOptions.builder().greedy(true).repetitionPenalty(1).maxTokens(12).build();
    GenerationResult drawn;
    GenerationResult said;
    try (Session session = model.newSession()) {
      drawn = session.generate(draw("a circle", drawing));
      said = session.generate(say("what is it", greedy));
    }
    List<Integer> everything = new ArrayList<>(drawn.promptTokenIds());
    everything.add(BEGIN_OF_IMAGE);
    drawn.imageCodes().get(0).forEach(code -> everything.add(4 + code));
    everything.add(END_OF_IMAGE);
    assertThat(said.promptTokenIds())
        .as("the last code and the end of the picture are all that is left to read of it")
        .startsWith(everything.get(everything.size() - 2), END_OF_IMAGE)
        .endsWith(END_OF_TURN);
    everything.addAll(said.promptTokenIds().subList(2, said.promptTokenIds().size()));

    assertThat(said.tokenIds()).isEqualTo(answerWithoutCache(everything, 12));
  }

  /** A whole prefill for every token: no cache is reused. */
  private List<Integer> answerWithoutCache(List<Integer> ids, int tokens) {
    ChameleonModel chameleon = (ChameleonModel) model;
    return WithoutCache.answer(
        chameleon.transformer(),
        chameleon.vocabulary(),
        ids.stream().mapToInt(Integer::intValue).toArray(),
        tokens);
  }

  @Test
  void ofSeveralPicturesTheConversationGoesOnWithTheFirst() {
    GenerationOptions greedy =
        GenerationOptions.builder().greedy(true).repetitionPenalty(1).maxTokens(12).build();
    List<GenerationResult> answers = new ArrayList<>();
    List<GenerationResult> drawings = new ArrayList<>();
    for (int pictures : new int[] {1, 3}) {
      try (Session session = model.newSession()) {
        drawings.add(
            session.generate(
                draw("a circle", sampled(5).pictures(pictures).guidanceScale(2).build())));
        answers.add(session.generate(say("what is it", greedy)));
      }
    }

    assertThat(drawings.get(1).imageCodes()).hasSize(3).doesNotHaveDuplicates();
    assertThat(drawings.get(1).imageCodes().get(0)).isEqualTo(drawings.get(0).imageCodes().get(0));
    assertThat(answers.get(1).tokenIds()).isEqualTo(answers.get(0).tokenIds());
  }

  /** The same with a picture to begin with, which guidance counts by itself. */
  @Test
  void ofSeveralPicturesGuidanceGoesOnWithTheFirst() {
    Image picture = model.generate(draw("a circle", sampled(1).build())).images().get(0);
    List<List<List<Integer>>> last = new ArrayList<>();
    for (int pictures : new int[] {1, 3}) {
      try (Session session = model.newSession()) {
        session.generate(
            GenerationRequest.builder()
                .image(picture)
                .text("another")
                .output(Output.IMAGE)
                .options(sampled(5).pictures(pictures).imageGuidanceScale(2).build())
                .build());
        last.add(
            session
                .generate(draw("more", sampled(6).imageGuidanceScale(8).build()))
                .imageCodes());
      }
    }

    assertThat(last.get(1)).isEqualTo(last.get(0));
  }

  /** In an answer with pictures, behind others: every context is cut back. */
  @Test
  void anInterleavedAnswerThatFailsLeavesTheConversationAsItWas() {
    GenerationRequest after = draw("more", sampled(6).imageGuidanceScale(8).build());
    List<List<Integer>> expected;
    try (Session session = model.newSession()) {
      session.generate(draw("a circle", sampled(1).build()));
      expected = session.generate(after).imageCodes();
    }
    try (Session session = model.newSession()) {
      session.generate(draw("a circle", sampled(1).build()));
      int failures = 0;
      for (long seed = 0; seed < 12 && failures < 3; seed++) {
        int[] pictures = new int[1];
        GenerationRequest failing =
            GenerationRequest.builder()
                .text("tell")
                .output(Output.INTERLEAVED)
                .options(sampled(seed).temperature(2).maxTokens(60).build())
                .listener(
                    new GenerationListener() {
                      @Override
                      public void onPart(Part part) {
                        if (part instanceof Part.Picture && ++pictures[0] == 1) {
                          throw new IllegalStateException("the listener fails");
                        }
                      }
                    })
                .build();
        try (Session trial = model.newSession()) {
          trial.generate(draw("a circle", sampled(1).build()));
          GenerationRequest same =
              tell("tell", sampled(seed).temperature(2).maxTokens(60).build());
          if (trial.generate(same).images().isEmpty()) {
            continue;
          }
        }
        assertThatThrownBy(() -> session.generate(failing)).hasMessage("the listener fails");
        failures++;
      }
      assertThat(failures).isPositive();
      assertThat(session.generate(after).imageCodes()).isEqualTo(expected);
    }
  }

  @Test
  void thePenaltyCountsTheTokensOfTheTurn() {
    GenerationOptions greedy =
        GenerationOptions.builder().greedy(true).repetitionPenalty(9).maxTokens(60).build();
    List<Integer> everything = new ArrayList<>();
    GenerationResult second;
    try (Session session = model.newSession()) {
      GenerationResult first = session.generate(say("what is it", greedy));
      second = session.generate(say("and now", greedy));
      everything.addAll(first.promptTokenIds());
      everything.addAll(first.tokenIds());
    }
    int unread = 1;
    List<Integer> turn =
        second.promptTokenIds().subList(unread, second.promptTokenIds().size());
    int from = everything.size();
    everything.addAll(turn);
    ChameleonModel chameleon = (ChameleonModel) model;

    assertThat(second.tokenIds())
        .isEqualTo(
            WithoutCache.answer(
                chameleon.transformer(),
                chameleon.vocabulary(),
                everything.stream().mapToInt(Integer::intValue).toArray(),
                from,
                9f,
                60));
  }

  @Test
  void theCachesOfAllSessionsCountAgainstTheLimit() {
    List<Session> sessions = new ArrayList<>();
    try (UnifiedModel small = load(FLOAT32.withMemoryLimit(smallLimit()))) {
      assertThatThrownBy(
              () -> {
                for (int i = 0; i < 1000; i++) {
                  Session session = small.newSession();
                  sessions.add(session);
                  session.generate(say("a".repeat(200), sampled(1).maxTokens(1).build()));
                }
              })
          .isInstanceOf(ResourceLimitException.class)
          .hasMessageContaining("the cache of a conversation");
      sessions.forEach(Session::close);
      assertThat(small.generate(say("go on", sampled(1).maxTokens(2).build())).tokenIds())
          .isNotEmpty();
    }
  }

  /** Seeds whose answers open pictures by chance: the weights are random. */
  @Test
  void anInterleavedAnswerIsTextAndPicturesInOrderWithWholePictures() {
    int pictures = 0;
    for (long seed = 0; seed < 12; seed++) {
      List<Part> told = new ArrayList<>();
      GenerationRequest request =
          GenerationRequest.builder()
              .text("tell")
              .output(Output.INTERLEAVED)
              .options(sampled(seed).temperature(2).maxTokens(60).build())
              .listener(
                  new GenerationListener() {
                    @Override
                    public void onPart(Part part) {
                      told.add(part);
                    }
                  })
              .build();
      GenerationResult result = model.generate(request);

      assertThat(told).isEqualTo(result.parts());
      List<Integer> ids = result.tokenIds();
      int found = 0;
      for (int i = 0; i < ids.size(); i++) {
        if (ids.get(i) == BEGIN_OF_IMAGE) {
          List<Integer> codes = ids.subList(i + 1, i + 17);
          assertThat(codes).allMatch(id -> id >= 4 && id < 68);
          assertThat(ids.get(i + 17)).isEqualTo(END_OF_IMAGE);
          assertThat(result.imageCodes().get(found))
              .isEqualTo(codes.stream().map(id -> id - 4).toList());
          found++;
          i += 17;
        } else {
          assertThat(ids.get(i)).matches(id -> id == 2 || id >= 93, "text or end");
        }
      }
      assertThat(result.images()).hasSize(found);
      assertThat(result.finishReason())
          .isEqualTo(
              ids.get(ids.size() - 1) == 2 ? FinishReason.STOP : FinishReason.LENGTH);
      pictures += found;
    }
    assertThat(pictures).as("some answers have pictures").isGreaterThan(2);
  }

  /** Greedy words beside sampled pictures: seeds change pictures alone. */
  @Test
  void picturesOfAnAnswerHaveATemperatureOfTheirOwn() {
    List<List<Integer>> words = new ArrayList<>();
    List<List<List<Integer>>> pictures = new ArrayList<>();
    for (long seed : new long[] {1, 2}) {
      GenerationOptions options =
          GenerationOptions.builder()
              .greedy(true)
              .imageTemperature(5)
              .repetitionPenalty(1)
              .maxTokens(1)
              .seed(seed)
              .build();
      GenerationResult answer = model.generate(tell("tell", options));
      GenerationResult drawing = model.generate(draw("tell", options));
      words.add(answer.tokenIds());
      pictures.add(drawing.imageCodes());
    }

    assertThat(words.get(1)).isEqualTo(words.get(0));
    assertThat(pictures.get(1)).isNotEqualTo(pictures.get(0));
  }

  @Test
  void anInterleavedAnswerHasAtMostAsManyPicturesAsAsked() {
    Set<Integer> pictures = new HashSet<>();
    for (long seed = 0; seed < 12; seed++) {
      GenerationOptions options =
          sampled(seed).temperature(2).maxTokens(60).pictures(1).build();
      pictures.add(model.generate(tell("tell", options)).images().size());
    }
    assertThat(pictures).contains(1).isSubsetOf(0, 1);
  }

  /** What a script keeps must not live in a buffer of Java's, which is collected after the call. */
  @Test
  void whatTheModelKeepsOutlivesTheCallsThatMadeIt() {
    GenerationRequest request = draw("a circle", sampled(7).build());
    List<List<Integer>> before = model.generate(request).imageCodes();
    for (int round = 0; round < 20; round++) {
      System.gc();
      List<ByteBuffer> reused = new ArrayList<>();
      for (int i = 0; i < 500; i++) {
        ByteBuffer buffer = ByteBuffer.allocateDirect(8 << i % 11);
        while (buffer.hasRemaining()) {
          buffer.put((byte) 0x7f);
        }
        reused.add(buffer);
      }
      assertThat(reused).hasSize(500);
    }

    assertThat(model.generate(request).imageCodes()).isEqualTo(before);
  }

  /** Contexts that are equal are one row: it must not show. */
  @Test
  void guidanceByPicturesDoesNothingWhereThereAreNone() {
    GenerationOptions some = sampled(7).guidanceScale(3).imageGuidanceScale(1.2).build();
    GenerationOptions other = sampled(7).guidanceScale(3).imageGuidanceScale(8).build();

    assertThat(model.generate(draw("a circle", other)).imageCodes())
        .isEqualTo(model.generate(draw("a circle", some)).imageCodes());
  }

  @Test
  void guidanceByPicturesCountsWhereThereAreSome() {
    Image picture = model.generate(draw("a circle", sampled(1).build())).images().get(0);
    List<List<List<Integer>>> codes = new ArrayList<>();
    for (double scale : new double[] {1.2, 8}) {
      codes.add(
          model
              .generate(
                  GenerationRequest.builder()
                      .image(picture)
                      .text("again")
                      .output(Output.IMAGE)
                      .options(sampled(7).guidanceScale(3).imageGuidanceScale(scale).build())
                      .build())
              .imageCodes());
    }

    assertThat(codes.get(0)).isNotEqualTo(codes.get(1));
  }

  @Test
  void aPictureThatNoLongerFitsIsRefusedBeforeItBegins() {
    int context = model.capabilities().maxSequenceLength();
    try (Session session = model.newSession()) {
      String words = "a".repeat(context - 30);
      session.generate(say(words, sampled(1).maxTokens(1).build()));
      assertThatThrownBy(() -> session.generate(draw("b".repeat(12), sampled(1).build())))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("of the picture");
      assertThat(session.generate(say("go on", sampled(1).maxTokens(2).build())).tokenIds())
          .as("nothing was lost")
          .isNotEmpty();
    }
  }

  /** The folder's coder is gone: whatever is encoded fails. */
  @Test
  void picturesThatDoNotFitTheContextAreRefusedBeforeOneIsEncoded(@TempDir Path folder)
      throws IOException {
    TinyChameleon.copy("meta", folder);
    Image picture = model.generate(draw("a circle", sampled(1).build())).images().get(0);
    GenerationRequest.Builder many = GenerationRequest.builder().text("what are they?");
    for (int i = 0; i < 1 + model.capabilities().maxSequenceLength() / 18; i++) {
      many.image(picture);
    }
    GenerationRequest one = GenerationRequest.builder().image(picture).build();
    try (UnifiedModel own = ChameleonModel.load(folder, FLOAT32)) {
      Files.write(folder.resolve("tokenizer/vqgan.ckpt"), new byte[0]);

      assertThatThrownBy(() -> own.generate(many.build()))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("at most " + own.capabilities().maxSequenceLength() + " tokens")
          .hasMessageContaining("pictures");
      assertThatThrownBy(() -> own.generate(one)).isInstanceOf(CheckpointException.class);
    }
  }

  @Test
  void aCheckpointWithoutADecoderReadsAndSaysThatItCannotDraw() {
    try (ChameleonModel reader =
        ChameleonModel.load(Golden.folder("chameleon/hf/checkpoint"), FLOAT32)) {
      assertThatThrownBy(() -> reader.draw("a circle"))
          .isInstanceOf(UnsupportedRequestException.class)
          .hasMessageContaining("supported: IMAGE and TEXT -> TEXT");
      Image picture = model.generate(draw("a circle", sampled(1).build())).images().get(0);
      GenerationOptions greedy =
          GenerationOptions.builder().greedy(true).repetitionPenalty(1).maxTokens(12).build();
      GenerationRequest what =
          GenerationRequest.builder().image(picture).text("what is it").options(greedy).build();
      GenerationResult expected = model.generate(what);
      GenerationResult said = reader.generate(what);
      assertThat(said.promptTokenIds()).isEqualTo(expected.promptTokenIds());
      assertThat(said.tokenIds()).as("the same weights").isEqualTo(expected.tokenIds());
    }
  }
}
