package dev.diptych.examples.world;

import dev.diptych.examples.world.Edit.Change;
import dev.diptych.examples.world.Scene.Colour;
import dev.diptych.examples.world.Scene.Kind;
import dev.diptych.examples.world.Scene.Relation;
import dev.diptych.examples.world.Scene.Shape;
import dev.diptych.examples.world.Scene.Size;
import dev.diptych.examples.world.Scene.Thing;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * Scenes, stories and edits by seed, and the rule that keeps a fifth of the combinations out of
 * training.
 */
public final class PictureWorld {
  /** Width and height of every picture, in pixels. */
  public static final int SIDE = 64;

  private static final int HOLDOUT_SEED = 1;
  private static final double SINGLE = 0.12;
  private static final int[] PICTURES = {1, 2, 2, 2, 3, 3, 3, 3, 3, 3}; // of ten stories

  private PictureWorld() {}

  /**
   * Whether the combination "an object of this colour and shape stands in this relation to the other
   * one" never occurs in training. Spread so that an object loses at most one of its relations.
   */
  public static boolean isHeldOut(Colour colour, Shape shape, Relation relation) {
    return (colour.ordinal() + 2 * shape.ordinal() + 3 * relation.ordinal() + HOLDOUT_SEED) % 5
        == 0;
  }

  /** Whether the scene holds a combination that the demo model never saw, from either thing's view. */
  public static boolean isHeldOut(Scene scene) {
    if (scene.relation() == null) {
      return false;
    }
    Kind first = scene.things().get(0).kind();
    Kind second = scene.things().get(1).kind();
    return isHeldOut(first.colour(), first.shape(), scene.relation())
        || isHeldOut(second.colour(), second.shape(), scene.relation().inverse());
  }

  /**
   * The first scenes of a seed that are, or are not, held out of training.
   *
   * @param count at least 0
   */
  public static List<Scene> scenes(long seed, int count, boolean heldOut) {
    Random random = new Random(seed); // its algorithm is part of Java's specification
    List<Scene> found = new ArrayList<>(count);
    while (found.size() < count) {
      Scene scene = scene(random);
      if (isHeldOut(scene) == heldOut) {
        found.add(scene);
      }
    }
    return found;
  }

  /**
   * The first stories of a seed whose pair of things is, or is not, held out of training.
   *
   * @param count at least 0
   */
  public static List<Story> stories(long seed, int count, boolean heldOut) {
    Random random = new Random(seed);
    List<Story> found = new ArrayList<>(count);
    while (found.size() < count) {
      Scene pair = scene(random);
      int newcomer = random.nextInt(2);
      int leaver = random.nextInt(2);
      int pictures = PICTURES[random.nextInt(PICTURES.length)];
      if (pair.relation() != null
          && isHeldOut(pair) == heldOut
          && !pair.things().get(0).kind().equals(pair.things().get(1).kind())) {
        found.add(new Story(pair, newcomer, leaver, pictures));
      }
    }
    return found;
  }

  /**
   * The first edits of a seed that are, or are not, held out of training.
   *
   * @param count at least 0
   */
  public static List<Edit> edits(long seed, int count, boolean heldOut) {
    Random random = new Random(seed);
    List<Edit> found = new ArrayList<>(count);
    while (found.size() < count) {
      Scene scene = scene(random);
      int which = random.nextInt(scene.things().size());
      double kind = random.nextDouble();
      Change change =
          scene.relation() != null && kind >= 0.8
              ? Change.ADD
              : scene.relation() != null && kind >= 0.55 ? Change.REMOVE : attribute(random);
      boolean named = change == Change.ADD || Edit.reference(scene, which).isPresent();
      if (named) {
        Edit edit = edit(change, scene, which, random);
        if (edit.isHeldOut() == heldOut) {
          found.add(edit);
        }
      }
    }
    return found;
  }

  private static Change attribute(Random random) {
    return List.of(Change.COLOUR, Change.COLOUR, Change.SHAPE, Change.SIZE).get(random.nextInt(4));
  }

  private static Edit edit(Change change, Scene scene, int which, Random random) {
    if (change == Change.ADD || change == Change.REMOVE) {
      Scene alone = new Scene(List.of(scene.things().get(1 - which)), null);
      return change == Change.ADD
          ? new Edit(change, alone, scene, which)
          : new Edit(change, scene, alone, which);
    }
    Thing thing = scene.things().get(which);
    Kind kind = thing.kind();
    Kind now =
        switch (change) {
          case COLOUR -> new Kind(kind.size(), other(kind.colour(), random), kind.shape());
          case SHAPE -> new Kind(kind.size(), kind.colour(), other(kind.shape(), random));
          default -> new Kind(other(kind.size(), random), kind.colour(), kind.shape());
        };
    List<Thing> things = new ArrayList<>(scene.things());
    things.set(which, new Thing(now, thing.x(), thing.y()));
    return new Edit(change, scene, new Scene(things, scene.relation()), which);
  }

  private static <E extends Enum<E>> E other(E value, Random random) {
    E[] values = value.getDeclaringClass().getEnumConstants();
    return values[(value.ordinal() + 1 + random.nextInt(values.length - 1)) % values.length];
  }

  private static Scene scene(Random random) {
    if (random.nextDouble() < SINGLE) {
      return new Scene(
          List.of(new Thing(kind(random), jitter(random, 32, 5), jitter(random, 32, 5))), null);
    }
    boolean vertical = random.nextBoolean();
    List<Thing> things = new ArrayList<>(2);
    for (int base : new int[] {15, 49}) {
      int along = jitter(random, base, 1);
      int across = jitter(random, 32, 3);
      Kind kind = kind(random);
      things.add(vertical ? new Thing(kind, across, along) : new Thing(kind, along, across));
    }
    return new Scene(things, vertical ? Relation.ABOVE : Relation.LEFT);
  }

  private static Kind kind(Random random) {
    Size size = Size.values()[random.nextInt(Size.values().length)];
    Colour colour = Colour.values()[random.nextInt(Colour.values().length)];
    return new Kind(size, colour, Shape.values()[random.nextInt(Shape.values().length)]);
  }

  private static int jitter(Random random, int base, int steps) {
    return base + 2 * (random.nextInt(2 * steps + 1) - steps);
  }
}
