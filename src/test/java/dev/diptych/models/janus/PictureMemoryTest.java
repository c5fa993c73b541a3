package dev.diptych.models.janus;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.DType;
import dev.diptych.core.DeviceChoice;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.Session;
import dev.diptych.core.engine.Value;
import org.junit.jupiter.api.Test;

/** Questions about a picture that the model has read before, in sessions of their own. */
class PictureMemoryTest {
  private static final LoadOptions FLOAT32 =
      LoadOptions.DEFAULT.withDtype(DType.FLOAT32).withDevice(DeviceChoice.CPU);
  private static final long PLENTY = 50_000_000;

  private final Image cat = JanusGoldenTest.picture("cat_96x63.png");
  private final Image coffee = JanusGoldenTest.picture("coffee_32x36.png");

  @Test
  void anotherQuestionIsAnsweredAlikeWithoutReadingThePictureAgain() {
    GenerationResult expected;
    GenerationResult more;
    try (JanusModel model = load(FLOAT32)) {
      expected = ask(model, "and what is it not?", cat);
      more = ask(model, "which?", cat, coffee);
    }

    try (JanusModel model = load(FLOAT32.withPictureMemory(PLENTY))) {
      GenerationResult first = ask(model, "what is it?", cat);
      GenerationResult second = ask(model, "and what is it not?", cat);
      GenerationResult other = ask(model, "and what is it not?", coffee);
      GenerationResult two = ask(model, "which?", cat, coffee);
      GenerationResult twoAgain = ask(model, "which?", cat, coffee);

      assertThat(encoded(first)).isTrue();
      assertThat(encoded(second)).isFalse();
      assertThat(encoded(other)).isTrue();
      assertThat(encoded(two)).isTrue();
      assertThat(encoded(twoAgain)).isFalse();
      assertThat(second.promptTokenIds()).isEqualTo(expected.promptTokenIds());
      assertThat(second.tokenIds()).isEqualTo(expected.tokenIds());
      assertThat(twoAgain.tokenIds()).isEqualTo(more.tokenIds());
    }
  }

  @Test
  void aConversationGoesOnBehindWhatIsKnown() {
    GenerationResult expected = null;
    for (long memory : new long[] {0, PLENTY}) {
      try (JanusModel model = load(FLOAT32.withPictureMemory(memory))) {
        ask(model, "what is it?", cat);
        try (Session session = model.newSession()) {
          session.generate(request("where?", cat));
          GenerationResult second = session.generate(request("why?", coffee));
          expected = expected == null ? second : expected;
          assertThat(second.tokenIds()).isEqualTo(expected.tokenIds());
          assertThat(encoded(second)).isTrue();
        }
      }
    }
  }

  @Test
  void whatWasUsedLongestAgoIsGivenUpFirst() {
    long one;
    try (JanusModel model = load(FLOAT32.withPictureMemory(PLENTY))) {
      ask(model, "what is it?", cat);
      one = model.pictures().bytes();
    }

    try (JanusModel model = load(FLOAT32.withPictureMemory(2 * one))) {
      ask(model, "what is it?", cat);
      ask(model, "what is it?", coffee);
      assertThat(model.pictures().bytes()).isEqualTo(2 * one);
      assertThat(encoded(ask(model, "why?", cat))).isFalse();
      ask(model, "what is it?", gradient());
      assertThat(model.pictures().bytes()).isEqualTo(2 * one);

      assertThat(encoded(ask(model, "why?", cat))).isFalse();
      assertThat(encoded(ask(model, "why?", coffee))).isTrue();
    }
    try (JanusModel model = load(FLOAT32.withPictureMemory(one - 1))) {
      ask(model, "what is it?", cat);
      assertThat(model.pictures().bytes()).isZero();
    }
  }

  @Test
  void whatIsKeptCountsAndMakesRoomWhereARequestNeedsIt() {
    long live = Value.live();
    try (JanusModel model =
        load(FLOAT32.withMemoryLimit(PLENTY).withPictureMemory(PLENTY))) {
      long room = model.room();
      ask(model, "what is it?", cat);
      long kept = model.pictures().bytes();
      assertThat(kept).isPositive();
      assertThat(model.room()).isEqualTo(room - kept);

      model.requireMemory("what just fits", room - kept);
      assertThat(model.pictures().bytes()).isEqualTo(kept);
      model.requireMemory("what fits an empty memory", room);
      assertThat(model.pictures().bytes()).isZero();
      ask(model, "what is it?", cat);
    }
    assertThat(Value.live()).isEqualTo(live);
  }

  @Test
  void aNegativeSizeIsRefused() {
    assertThatThrownBy(() -> FLOAT32.withPictureMemory(-1))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessage("pictureMemory is -1 bytes; expected at least 0");
  }

  private static JanusModel load(LoadOptions options) {
    return JanusModel.load(TinyJanus.checkpoint("hf"), options);
  }

  private static GenerationResult ask(JanusModel model, String question, Image... pictures) {
    return model.generate(request(question, pictures));
  }

  private static GenerationRequest request(String question, Image... pictures) {
    GenerationRequest.Builder request = GenerationRequest.builder();
    for (Image picture : pictures) {
      request.image(picture);
    }
    return request
        .text(question)
        .options(GenerationOptions.builder().maxTokens(6).build())
        .build();
  }

  private static boolean encoded(GenerationResult result) {
    return !result.timings().imageEncoding().isZero();
  }

  private static Image gradient() {
    byte[] rgb = new byte[3 * 32 * 32];
    for (int i = 0; i < rgb.length; i++) {
      rgb[i] = (byte) i;
    }
    return Image.of(32, 32, rgb);
  }
}
