package dev.diptych.models.transfusion;

import static org.assertj.core.api.Assertions.assertThat;

import dev.diptych.core.GenerationOptions;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.Value;
import dev.diptych.models.denoising.Batch;
import dev.diptych.models.denoising.Context;
import dev.diptych.models.denoising.Denoiser;
import dev.diptych.models.denoising.DenoisingTransformer;
import dev.diptych.models.denoising.NoiseTable;
import dev.diptych.testing.Golden;
import dev.diptych.testing.Tolerance;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Whatever was added, read, drawn and cut: what a context says is what a fresh one says. */
class ContextRandomTest {
  private static final int ROUNDS = 12;
  private static final int STEPS = 25;

  @Test
  void aContextThatWasCutAndReadInPiecesIsAFreshOne() {
    try (Golden golden = Golden.open("transfusion/unet");
        TransfusionModel model = TinyTransfusion.load("unet");
        Scope scope = new Scope()) {
      Denoiser.Noise noise = TinyTransfusion.noise(golden);
      float[] numbers = noise.draw(1, 0, TinyTransfusion.ELEMENTS);
      Value latents = scope.add(model.transformer().kept(numbers, 1, 4, 4, 4));
      DenoisingTransformer.Sampling sampling =
          scope.add(model.transformer().new Sampling(GenerationOptions.DEFAULT));
      for (int seed = 0; seed < ROUNDS; seed++) {
        Random random = new Random(seed);
        List<Object> items = new ArrayList<>(List.of(model.config().bos()));
        try (Context context = new Context(model.transformer(), 512, bytes -> {})) {
          context.add(model.config().bos());
          for (int i = 0; i < STEPS; i++) {
            switch (random.nextInt(6)) {
              case 0 -> {
                TransfusionNetwork.Picture picture =
                    model.network().new Picture(noise.draw(0, random.nextInt(9), 64), 4, 4);
                context.add(picture);
                items.add(picture);
              }
              case 1 -> context.read(() -> {});
              case 2 -> said(model, context, latents);
              case 3 -> {
                int kept = 1 + random.nextInt(items.size());
                items.subList(kept, items.size()).clear();
                context.truncate(items.stream().mapToInt(ContextRandomTest::rows).sum());
              }
              case 4 -> {
                int word = 7 + random.nextInt(250);
                context.add(word);
                items.add(word);
                int id = context.next(() -> {}, sampling, 0, false, random.nextLong() >>> 11);
                assertThat(id).isNotNegative();
              }
              default -> {
                for (int n = random.nextInt(5); n >= 0; n--) {
                  int word = 7 + random.nextInt(250);
                  context.add(word);
                  items.add(word);
                }
              }
            }
          }
          float[] found = said(model, context, latents);
          try (Context fresh = new Context(model.transformer(), 512, bytes -> {})) {
            for (Object item : items) {
              if (item instanceof Integer word) {
                fresh.add(word);
              } else {
                fresh.add((TransfusionNetwork.Picture) item);
              }
            }
            assertThat(context.ids()).isEqualTo(fresh.ids());
            assertThat(context.position()).isEqualTo(fresh.position());
            Tolerance.FP32_DEEP.check("seed " + seed, found, said(model, fresh, latents));
          }
        }
      }
    }
  }

  /** {@return what is said of noisy latents behind it, which leaves it as it is} */
  private static float[] said(TransfusionModel model, Context context, Value latents) {
    Denoiser denoiser = new Denoiser(model.transformer(), new NoiseTable(List.of()));
    try (Batch batch =
        denoiser.open(() -> {}, List.of(context), model.network().layout(4, 4), 1)) {
      return model.network().outputs(latents, 300, batch);
    }
  }

  private static int rows(Object item) {
    return item instanceof TransfusionNetwork.Picture picture ? picture.layout().rows() : 1;
  }
}
