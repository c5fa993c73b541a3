package dev.diptych.models.bagel;

import dev.diptych.core.GenerationRun;
import dev.diptych.core.Image;
import dev.diptych.core.engine.Value;
import dev.diptych.models.denoising.Batch;
import dev.diptych.models.denoising.Context;
import dev.diptych.models.denoising.Piece;
import dev.diptych.models.denoising.SpanLayout;
import java.time.Duration;
import java.util.List;

/**
 * A conversation as one purpose needs it told: answering sees pictures, drawing has their latents
 * too, and guidance by pictures compares with a conversation that has none. Told as far as it was
 * asked for; what is told is read once.
 */
final class BagelTrack implements AutoCloseable {
  /** What a track tells. */
  enum Tells {
    /** Words, and pictures as the vision tower sees them. */
    SIGHT,
    /** Words, and pictures first as latents and then as the tower sees them. */
    LATENTS_AND_SIGHT,
    /** Words alone. */
    WORDS
  }

  /** What stands in a conversation. */
  sealed interface Entry {
    /**
     * A text between its two tokens.
     *
     * @param ids with both
     */
    record Words(int[] ids) implements Entry {}

    /**
     * A picture.
     *
     * @param image of a size of the VAE's
     */
    record Picture(Image image) implements Entry {}
  }

  /** Where a track stood. */
  record Mark(int taken, int rows, int beforeWords) {}

  private final BagelModel model;
  private final Tells tells;
  private final Context context;
  private int taken;
  private int beforeWords;

  BagelTrack(BagelModel model, Tells tells) {
    this.model = model;
    this.tells = tells;
    this.context =
        new Context(
            model.transformer().decoder(),
            model.capabilities().maxSequenceLength(),
            bytes -> model.requireMemory("the cache of a conversation", bytes));
  }

  Context context() {
    return context;
  }

  /**
   * {@return rows before the last text, or all if a picture came behind it: what guidance by words
   * compares with}
   */
  int beforeWords() {
    return beforeWords;
  }

  Mark mark() {
    return new Mark(taken, context.length(), beforeWords);
  }

  void back(Mark mark) {
    context.truncate(mark.rows());
    taken = mark.taken();
    beforeWords = mark.beforeWords();
  }

  /** Tells what is new; nothing is computed before the context is read. */
  void take(GenerationRun run, List<Entry> conversation) {
    for (; taken < conversation.size(); taken++) {
      if (conversation.get(taken) instanceof Entry.Words words) {
        beforeWords = context.length();
        context.add(words.ids());
      } else if (tells != Tells.WORDS) {
        Image image = ((Entry.Picture) conversation.get(taken)).image();
        if (tells == Tells.LATENTS_AND_SIGHT) {
          context.add(latents(run, image));
        }
        context.add(sight(run, image));
        beforeWords = context.length();
      }
    }
  }

  /** Counts an entry as told that was written here. */
  void written() {
    taken++;
  }

  private Piece sight(GenerationRun run, Image image) {
    int patch = model.config().vision().patchSize();
    int[] size = model.imageProcessor().visionSize(image.width(), image.height());
    int patches = (size[0] / patch) * (size[1] / patch);
    // Words' weights, though all see each other.
    SpanLayout layout = new SpanLayout(patches + 2, true, 0, 0, true);
    return new Picture(
        layout,
        batch -> {
          long begin = System.nanoTime();
          BagelImageProcessor.Prepared prepared = model.imageProcessor().forVision(image);
          try (Value hidden = model.transformer().readVision(prepared, batch)) {
            run.imageEncoding(Duration.ofNanos(System.nanoTime() - begin));
          }
        });
  }

  private Piece latents(GenerationRun run, Image image) {
    int cell = model.config().cell();
    int[] size = model.imageProcessor().vaeSize(image.width(), image.height());
    int rows = size[1] / cell;
    int columns = size[0] / cell;
    return new Picture(
        SpanLayout.framed(rows * columns),
        batch -> {
          long begin = System.nanoTime();
          float[] cells = model.encode(image, run::step);
          try (Value hidden = model.transformer().readLatents(cells, rows, columns, batch)) {
            run.imageEncoding(Duration.ofNanos(System.nanoTime() - begin));
          }
        });
  }

  /** Reads a picture into a context of one row. */
  private interface Reader {
    void read(Batch batch);
  }

  private record Picture(SpanLayout layout, Reader reader) implements Piece {
    @Override
    public void read(Batch batch) {
      reader.read(batch);
    }
  }

  @Override
  public void close() {
    context.close();
  }
}
