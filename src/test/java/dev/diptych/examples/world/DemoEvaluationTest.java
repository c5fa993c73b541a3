package dev.diptych.examples.world;

import static org.assertj.core.api.Assertions.assertThat;

import dev.diptych.core.UnifiedModel;
import dev.diptych.examples.Demo;
import dev.diptych.examples.DemoModel;
import dev.diptych.models.Diptych;
import java.util.List;
import org.junit.jupiter.api.Test;

class DemoEvaluationTest {
  // Bounds below what 500 held-out scenes measure (see the training's README), so that chance among
  // two dozen does not fail the build, and a slip in a layer, a prompt or the sampler does.
  @Test
  void readsAndDrawsScenesThatItNeverSaw() {
    DemoEvaluation.Score score;
    try (UnifiedModel model = Diptych.load(DemoModel.folder())) {
      score = DemoEvaluation.evaluate(model, questions(24), (done, total) -> {});
    }

    assertThat(score.captions()).as("%s", score.mistakes()).isGreaterThanOrEqualTo(0.9);
    assertThat(score.drawings()).as("%s", score.mistakes()).isGreaterThanOrEqualTo(0.8);
    assertThat(score.stories()).isZero();
    assertThat(score.edits()).isZero();
  }

  @Test
  void readsDrawsTellsAndEditsWithOneStream() {
    DemoEvaluation.Score score;
    try (UnifiedModel model = Diptych.load(DemoModel.folder(Demo.CHAMELEON))) {
      score = DemoEvaluation.evaluate(model, questions(24), (done, total) -> {});
    }

    assertThat(score.captions()).as("%s", score.mistakes()).isGreaterThanOrEqualTo(0.9);
    assertThat(score.drawings()).as("%s", score.mistakes()).isGreaterThanOrEqualTo(0.8);
    assertThat(score.stories()).isEqualTo(24);
    // 85 % of 500 are right; of 24 that is 62 % at three standard deviations below.
    assertThat(score.storiesShare()).as("%s", score.mistakes()).isGreaterThanOrEqualTo(0.62);
    assertThat(score.editsShare()).as("%s", score.mistakes()).isGreaterThanOrEqualTo(0.62);
  }

  @Test
  void readsDrawsTellsAndEditsByDenoising() {
    DemoEvaluation.Score score;
    try (UnifiedModel model = Diptych.load(DemoModel.folder(Demo.TRANSFUSION))) {
      score = DemoEvaluation.evaluate(model, questions(24), (done, total) -> {});
    }

    assertThat(score.captions()).as("%s", score.mistakes()).isGreaterThanOrEqualTo(0.9);
    assertThat(score.drawings()).as("%s", score.mistakes()).isGreaterThanOrEqualTo(0.8);
    assertThat(score.edits()).isEqualTo(24);
    // Of 120 98 % are right; 85 % of 24 lie three deviations below 98, 87 below 97.5 of stories.
    assertThat(score.editsShare()).as("%s", score.mistakes()).isGreaterThanOrEqualTo(0.85);
    assertThat(score.stories()).isEqualTo(24);
    assertThat(score.storiesShare()).as("%s", score.mistakes()).isGreaterThanOrEqualTo(0.85);
  }

  private static DemoEvaluation.Questions questions(int edits) {
    return new DemoEvaluation.Questions(
        PictureWorld.scenes(20, 24, true),
        PictureWorld.stories(20, 24, true),
        PictureWorld.edits(20, edits, true));
  }
}
