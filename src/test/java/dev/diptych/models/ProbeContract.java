package dev.diptych.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.Modality;
import dev.diptych.core.Output;
import dev.diptych.core.Probe;
import dev.diptych.core.UnifiedModel;
import dev.diptych.core.engine.Value;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What every model promises to one who chooses in its place; a part of {@link ModelContract}. */
abstract class ProbeContract {
  /** {@return a model that reads and draws, left open} */
  protected abstract UnifiedModel probed();

  /** {@return codes or steps of one of its pictures} */
  protected abstract int codes();

  @Test
  void aProbeThatTakesTheLikeliestChangesNothing() {
    UnifiedModel model = probed();
    for (Output output : List.of(Output.TEXT, Output.IMAGE)) {
      int[] heard = new int[2];
      Probe quiet =
          new Probe() {
            @Override
            public int choose(Modality what, float[] logits) {
              heard[0]++;
              return Probe.super.choose(what, logits);
            }

            @Override
            public float[] denoised(int step, float[] said, float[] latents) {
              assertThat(step).isEqualTo(heard[1]++);
              return latents;
            }
          };
      GenerationRequest.Builder request = greedy(model, output);
      GenerationResult alone = model.generate(request.build());
      GenerationResult probed = model.generate(request.probe(quiet).build());

      assertThat(probed.tokenIds()).isEqualTo(alone.tokenIds());
      assertThat(probed.imageCodes()).isEqualTo(alone.imageCodes());
      assertThat(probed.images()).isEqualTo(alone.images());
      if (output == Output.TEXT) {
        assertThat(heard).containsExactly(alone.tokenIds().size(), 0);
      } else {
        boolean steps = model.defaults(output).inferenceSteps().isPresent();
        assertThat(heard[steps ? 1 : 0]).isGreaterThanOrEqualTo(codes());
      }
    }
  }

  @Test
  void aProbeLeadsTheAnswerAndTheSessionStandsWhenItFails() {
    UnifiedModel model = probed();
    for (Output output : List.of(Output.TEXT, Output.IMAGE)) {
      GenerationResult alone = model.generate(greedy(model, output).build());
      // The least likely of all that may come next; latents without what the step made.
      Probe contrary =
          new Probe() {
            @Override
            public int choose(Modality what, float[] logits) {
              int least = Probe.super.choose(what, logits);
              for (int i = 0; i < logits.length; i++) {
                boolean may = logits[i] != Float.NEGATIVE_INFINITY;
                least = may && logits[i] < logits[least] ? i : least;
              }
              return least;
            }

            @Override
            public float[] denoised(int step, float[] said, float[] latents) {
              return new float[latents.length];
            }
          };
      GenerationResult led = model.generate(greedy(model, output).probe(contrary).build());
      assertThat(led.tokenIds().equals(alone.tokenIds()) && led.images().equals(alone.images()))
          .as("led %s", output)
          .isFalse();

      Probe wrong =
          new Probe() {
            @Override
            public int choose(Modality what, float[] logits) {
              return logits.length;
            }

            @Override
            public float[] denoised(int step, float[] said, float[] latents) {
              return new float[1];
            }
          };
      long live = Value.live();
      assertThatThrownBy(() -> model.generate(greedy(model, output).probe(wrong).build()))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageStartingWith("The probe ");
      assertThat(Value.live()).isEqualTo(live);
    }
    assertThatThrownBy(
            () ->
                model.generate(
                    greedy(model, Output.IMAGE)
                        .options(GenerationOptions.builder().pictures(2).build())
                        .probe(new Probe() {})
                        .build()))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("of one picture");
  }

  private static GenerationRequest.Builder greedy(UnifiedModel model, Output output) {
    GenerationOptions.Builder options = GenerationOptions.builder().seed(3);
    if (model.defaults(output).inferenceSteps().isEmpty()) {
      options.greedy(true);
    }
    if (output == Output.TEXT) {
      options.repetitionPenalty(1).maxTokens(12);
    }
    return GenerationRequest.builder().text("tell me").output(output).options(options.build());
  }
}
