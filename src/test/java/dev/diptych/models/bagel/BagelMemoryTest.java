package dev.diptych.models.bagel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.diptych.core.GenerationListener;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationRun;
import dev.diptych.core.NormalNoise;
import dev.diptych.core.Output;
import dev.diptych.models.bagel.BagelTrack.Entry;
import dev.diptych.models.bagel.BagelTrack.Tells;
import dev.diptych.models.denoising.Context;
import dev.diptych.models.denoising.DenoisingTransformer;
import dev.diptych.testing.Photographs;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a drawing says that it takes is what it takes: by numbers, and by the caches that it opens. */
class BagelMemoryTest {
  private static final int ROWS = 3;
  private static final int COLUMNS = 2;
  // Of the picture, with the tokens around it.
  private static final int ROOM = ROWS * COLUMNS + 2;

  private static BagelModel model;

  @BeforeAll
  static void load() {
    model = TinyBagel.load();
  }

  @AfterAll
  static void close() {
    model.close();
  }

  private static DenoisingTransformer decoder() {
    return model.transformer().decoder();
  }

  /** A conversation as a drawing reads it. */
  private record Told(Context full, int before, Context blind, int heard) implements AutoCloseable {
    static Told of(GenerationRun run, boolean pictured) {
      List<Entry> entries = new ArrayList<>();
      if (pictured) {
        entries.add(
            new Entry.Picture(model.imageProcessor().fit(Photographs.read("tall"))));
      }
      entries.add(new Entry.Words(model.prompt().words("on a sofa")));
      BagelTrack drawing = new BagelTrack(model, Tells.LATENTS_AND_SIGHT);
      BagelTrack words = new BagelTrack(model, Tells.WORDS);
      drawing.take(run, entries);
      words.take(run, entries);
      return new Told(
          drawing.context(),
          drawing.beforeWords(),
          pictured ? words.context() : null,
          drawing.context().length());
    }

    long bytes(BagelDrawer drawer, int thoughts) {
      return drawer.bytes(full, before, blind, heard, thoughts);
    }

    @Override
    public void close() {
      full.close();
      if (blind != null) {
        blind.close();
      }
    }
  }

  private static GenerationRequest request(int pictures, double text, double image, int[] most) {
    return GenerationRequest.builder()
        .text("in a test")
        .output(Output.IMAGE)
        .options(
            GenerationOptions.builder()
                .pictures(pictures)
                .inferenceSteps(2)
                .guidanceScale(text)
                .imageGuidanceScale(image)
                .guidanceInterval(0, 1)
                .seed(1)
                .build())
        .listener(
            new GenerationListener() {
              @Override
              public void onImageProgress(int done, int total) {
                most[0] = (int) Math.max(most[0], decoder().openCacheBytes());
              }
            })
        .build();
  }

  private static BagelDrawer drawer(GenerationRun run) {
    return new BagelDrawer(model, run, new NormalNoise(1)::draw, ROWS, COLUMNS);
  }

  /** Keys and values of so many rows. */
  private static long cache(int pictures, int rows) {
    BagelConfig.Text c = model.config().text();
    return 2L * c.numHiddenLayers() * c.numKeyValueHeads() * c.headDim() * Float.BYTES
        * pictures * rows;
  }

  /** What a step computes with, and latents before and after it, and their noise twice. */
  private static long work(int contexts, int pictures) {
    BagelConfig.Text c = model.config().text();
    long row =
        4L * c.hiddenSize()
            + 2L * c.intermediateSize()
            + 2L * c.numAttentionHeads() * c.headDim();
    long latents = 4L * pictures * ROWS * COLUMNS * model.config().latentWidth();
    return Float.BYTES * (row * contexts * pictures * ROOM + latents);
  }

  @ParameterizedTest
  @CsvSource({
    "1, 1, 1, false", "3, 1, 1, false", "1, 4, 1, false", "3, 4, 1, true", "1, 4, 2, true",
    "3, 4, 2, true"
  })
  void theSumIsThatOfEveryContextAndTheCachesAreThoseThatOpen(
      int pictures, double text, double image, boolean pictured) {
    int[] most = new int[1];
    TinyBagel.within(
        model,
        request(pictures, text, image, most),
        run -> {
          BagelDrawer drawer = drawer(run);
          long open = decoder().openCacheBytes();
          try (Told told = Told.of(run, pictured)) {
            List<Integer> lengths = new ArrayList<>(List.of(told.heard() + ROOM));
            if (text > 1) {
              lengths.add(told.before() + ROOM);
            }
            if (image > 1) {
              lengths.add(told.blind().length() + ROOM);
            }
            long caches = 0;
            for (int length : lengths) {
              // A row to read it into, and where there are several pictures one for each.
              caches += cache(1, length) + (pictures > 1 ? cache(pictures, length) : 0);
            }

            assertThat(told.bytes(drawer, 0)).isEqualTo(caches + work(lengths.size(), pictures));

            drawer.draw(told.full(), told.before(), told.blind(), told.heard());
            assertThat(most[0] - open).isEqualTo(caches);
          }
          assertThat(decoder().openCacheBytes()).isEqualTo(open);
        });
  }

  /** The limit's rest is what the open caches leave of it already. */
  @Test
  void whatIsOpenAlreadyDoesNotCountAgain() {
    TinyBagel.within(
        model,
        request(1, 1, 1, new int[1]),
        run -> {
          try (Told told = Told.of(run, true)) {
            BagelDrawer drawer = drawer(run);
            drawer.draw(told.full(), told.before(), told.blind(), told.heard());

            assertThat(told.bytes(drawer, 0)).isEqualTo(work(1, 1));
          }
        });
  }

  /** What is thought stands before the picture, and guidance compares with what was before it. */
  @Test
  void whatIsThoughtCounts() {
    TinyBagel.within(
        model,
        request(1, 4, 2, new int[1]),
        run -> {
          try (Told told = Told.of(run, false)) {
            assertThat(told.bytes(drawer(run), 9))
                .isEqualTo(
                    cache(1, told.heard() + 9 + ROOM)
                        + cache(1, told.before() + ROOM)
                        + cache(1, told.heard() + ROOM)
                        + work(3, 1));
          }
        });
  }
}
