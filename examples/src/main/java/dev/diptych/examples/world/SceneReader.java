package dev.diptych.examples.world;

import dev.diptych.core.Image;
import dev.diptych.examples.world.Scene.Colour;
import dev.diptych.examples.world.Scene.Relation;
import dev.diptych.examples.world.Scene.Shape;
import dev.diptych.examples.world.Scene.Thing;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Reads a scene from pixels alone. It puts up with the soft edges of a decoded picture, and says
 * that a picture is unreadable rather than guess: when a colour or a shape is not clearly one, when
 * specks lie about, when there are more than two things, or when they stand on a diagonal.
 */
public final class SceneReader {
  /**
   * The outcome.
   *
   * @param scene empty when the picture is unreadable
   * @param reason why it is; empty text when it is not
   */
  public record Reading(Optional<Scene> scene, String reason) {}

  private static final double INK = 70; // distance in RGB from the page that counts as ink
  private static final double COLOUR = 70; // farthest that a colour may be from its name
  private static final double COLOUR_MARGIN = 0.7; // and how much nearer than to the next name
  private static final int SPECK = 8; // pixels of the smallest thing looked at
  private static final int DUST = 3; // pixels of ink that are overlooked
  private static final double FIT = 0.72; // soft intersection over union with the best outline
  private static final double FIT_MARGIN = 0.04; // and how much better than the next shape
  private static final double STRAIGHT = 1.3; // how clearly one axis must dominate

  private static final List<ShapeOutline> OUTLINES = ShapeOutline.all();

  private final int width;
  private final int height;
  private final Image image;
  private final double[] distance;

  private SceneReader(Image image) {
    this.image = image;
    this.width = image.width();
    this.height = image.height();
    this.distance = new double[width * height];
    for (int i = 0; i < distance.length; i++) {
      distance[i] = distance(colour(i), page());
    }
  }

  /** Reads a picture of the world's 64x64 pixels; any other size is unreadable. */
  public static Reading read(Image image) {
    if (image.width() != PictureWorld.SIDE || image.height() != PictureWorld.SIDE) {
      return new Reading(
          Optional.empty(), "a picture of " + image.width() + "x" + image.height() + " pixels");
    }
    try {
      return new Reading(Optional.of(new SceneReader(image).scene()), "");
    } catch (Unreadable unreadable) {
      return new Reading(Optional.empty(), unreadable.getMessage());
    }
  }

  private Scene scene() throws Unreadable {
    List<Thing> things = new ArrayList<>();
    for (int[] spot : spots()) {
      if (spot.length >= SPECK) {
        things.add(thing(spot));
      } else if (spot.length > DUST) {
        throw new Unreadable("a speck of " + spot.length + " pixels");
      }
    }
    if (things.size() == 1) {
      return new Scene(things, null);
    }
    if (things.size() != 2) {
      throw new Unreadable(things.size() + " things");
    }
    int dx = Math.abs(things.get(0).x() - things.get(1).x());
    int dy = Math.abs(things.get(0).y() - things.get(1).y());
    if (Math.max(dx, dy) < STRAIGHT * Math.min(dx, dy)) {
      throw new Unreadable("things on a diagonal, " + dx + " across and " + dy + " down");
    }
    boolean vertical = dy > dx;
    things.sort(Comparator.comparingInt(vertical ? Thing::y : Thing::x));
    return new Scene(things, vertical ? Relation.ABOVE : Relation.LEFT);
  }

  /** Connected inked pixels, corners touching counted. */
  private List<int[]> spots() {
    boolean[] seen = new boolean[distance.length];
    List<int[]> spots = new ArrayList<>();
    for (int start = 0; start < distance.length; start++) {
      if (seen[start] || distance[start] <= INK) {
        continue;
      }
      seen[start] = true;
      List<Integer> spot = new ArrayList<>();
      ArrayDeque<Integer> open = new ArrayDeque<>(List.of(start));
      while (!open.isEmpty()) {
        int at = open.pop();
        spot.add(at);
        for (int y = Math.max(0, at / width - 1); y <= Math.min(height - 1, at / width + 1); y++) {
          for (int x = Math.max(0, at % width - 1); x <= Math.min(width - 1, at % width + 1); x++) {
            int next = y * width + x;
            if (!seen[next] && distance[next] > INK) {
              seen[next] = true;
              open.push(next);
            }
          }
        }
      }
      spots.add(spot.stream().mapToInt(Integer::intValue).sorted().toArray());
    }
    return spots;
  }

  private Thing thing(int[] spot) throws Unreadable {
    double[] ink = ink(spot);
    Colour colour = named(ink);
    int left = Arrays.stream(spot).map(i -> i % width).min().orElseThrow();
    int right = Arrays.stream(spot).map(i -> i % width).max().orElseThrow();
    int top = spot[0] / width;
    int bottom = spot[spot.length - 1] / width;

    // How much of each pixel is ink, with two more pixels around for the soft edge.
    double[] cover = new double[distance.length];
    double area = 0;
    for (int y = Math.max(0, top - 2); y <= Math.min(height - 1, bottom + 2); y++) {
      for (int x = Math.max(0, left - 2); x <= Math.min(width - 1, right + 2); x++) {
        double share = share(colour(y * width + x), ink);
        cover[y * width + x] = share < 0.12 ? 0 : Math.min(1, share);
        area += cover[y * width + x];
      }
    }

    record Fit(double score, ShapeOutline outline, int x, int y) {}
    Map<Shape, Fit> best = new EnumMap<>(Shape.class);
    int middleX = Math.floorDiv(left + right + 1, 2);
    int middleY = Math.floorDiv(top + bottom + 1, 2);
    for (ShapeOutline outline : OUTLINES) {
      for (int y = middleY - 2; y <= middleY + 2; y++) {
        for (int x = middleX - 2; x <= middleX + 2; x++) {
          double both = overlap(cover, outline, x, y);
          Fit fit = new Fit(both / (area + outline.area - both), outline, x, y);
          best.merge(outline.shape, fit, (a, b) -> b.score > a.score ? b : a);
        }
      }
    }
    List<Fit> ranked = new ArrayList<>(best.values());
    ranked.sort(Comparator.comparingDouble(Fit::score).reversed());
    Fit first = ranked.get(0);
    if (first.score < FIT) {
      throw new Unreadable("no shape fits, the best is a " + first.outline.shape);
    }
    if (first.score - ranked.get(1).score < FIT_MARGIN) {
      throw new Unreadable(
          "a " + first.outline.shape + " or a " + ranked.get(1).outline.shape);
    }
    return new Thing(first.outline.kind(colour), first.x, first.y);
  }

  /** The median colour of the half of a spot that is farthest from the page. */
  private double[] ink(int[] spot) {
    int[] strongest =
        Arrays.stream(spot)
            .boxed()
            .sorted(Comparator.comparingDouble(i -> -distance[i]))
            .limit(Math.max(4, spot.length / 2))
            .mapToInt(Integer::intValue)
            .toArray();
    double[] ink = new double[3];
    for (int c = 0; c < 3; c++) {
      int channel = c;
      double[] sorted = Arrays.stream(strongest).mapToDouble(i -> colour(i)[channel]).toArray();
      Arrays.sort(sorted);
      ink[c] = (sorted[(sorted.length - 1) / 2] + sorted[sorted.length / 2]) / 2;
    }
    return ink;
  }

  private static Colour named(double[] ink) throws Unreadable {
    List<Colour> near = new ArrayList<>(List.of(Colour.values()));
    near.sort(Comparator.comparingDouble(colour -> distance(ink, rgb(colour))));
    double first = distance(ink, rgb(near.get(0)));
    double second = distance(ink, rgb(near.get(1)));
    if (first > COLOUR || first > COLOUR_MARGIN * second) {
      throw new Unreadable("the colour " + Arrays.toString(ink));
    }
    return near.get(0);
  }

  private double overlap(double[] cover, ShapeOutline outline, int centreX, int centreY) {
    double both = 0;
    int left = centreX - ShapeOutline.SIDE / 2;
    int top = centreY - ShapeOutline.SIDE / 2;
    for (int y = Math.max(0, top); y < Math.min(height, top + ShapeOutline.SIDE); y++) {
      for (int x = Math.max(0, left); x < Math.min(width, left + ShapeOutline.SIDE); x++) {
        both +=
            Math.min(
                cover[y * width + x],
                outline.coverage[(y - top) * ShapeOutline.SIDE + x - left]);
      }
    }
    return both;
  }

  /** Where a colour lies on the way from the page, 0, to the ink, 1. */
  private static double share(double[] colour, double[] ink) {
    double along = 0;
    double whole = 0;
    for (int c = 0; c < 3; c++) {
      double step = ink[c] - page()[c];
      along += (colour[c] - page()[c]) * step;
      whole += step * step;
    }
    return along / whole;
  }

  private double[] colour(int at) {
    int x = at % width;
    int y = at / width;
    return new double[] {image.red(x, y), image.green(x, y), image.blue(x, y)};
  }

  private static double[] page() {
    return new double[] {244, 244, 238};
  }

  private static double[] rgb(Colour colour) {
    return new double[] {colour.red, colour.green, colour.blue};
  }

  private static double distance(double[] a, double[] b) {
    double sum = 0;
    for (int c = 0; c < 3; c++) {
      sum += (a[c] - b[c]) * (a[c] - b[c]);
    }
    return Math.sqrt(sum);
  }

  private static final class Unreadable extends Exception {
    private static final long serialVersionUID = 1L;

    Unreadable(String reason) {
      super(reason, null, false, false);
    }
  }
}
