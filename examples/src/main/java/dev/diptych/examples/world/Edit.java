package dev.diptych.examples.world;

import dev.diptych.examples.world.Scene.Kind;
import dev.diptych.examples.world.Scene.Relation;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.IntStream;

/**
 * One thing of a picture gets another colour, shape or size, leaves, or joins. Every thing keeps
 * its place.
 *
 * @param change what happens
 * @param before what the picture shows
 * @param after what it is to show
 * @param thing which thing of the larger scene it happens to, 0 or 1
 */
public record Edit(Change change, Scene before, Scene after, int thing) {
  /** What can happen to a thing; the order is that of the training script. */
  public enum Change {
    COLOUR,
    SHAPE,
    SIZE,
    REMOVE,
    ADD
  }

  /** Checks that there is such a thing, and that words tell which one is meant. */
  public Edit {
    int things = Math.max(before.things().size(), after.things().size());
    if (thing < 0 || thing >= things) {
      throw new IllegalArgumentException(
          "Cannot edit thing " + thing + ": there are " + things + " things");
    }
    if (change != Change.ADD && reference(before, thing).isEmpty()) {
      throw new IllegalArgumentException(
          "Cannot edit " + before.caption() + ": no words tell its things apart");
    }
  }

  /** Whether training never saw the result; when one thing is left, what it was taken from. */
  public boolean isHeldOut() {
    return PictureWorld.isHeldOut(change == Change.REMOVE ? before : after);
  }

  /** One way to ask for it, word for word. */
  public String instruction() {
    if (change == Change.ADD) {
      String where =
          after.relation() == Relation.ABOVE
              ? (thing == 0 ? "above" : "below")
              : (thing == 0 ? "on the left" : "on the right");
      return "add a " + after.things().get(thing).kind() + " " + where;
    }
    String the = reference(before, thing).orElseThrow();
    if (change == Change.REMOVE) {
      return "remove " + the;
    }
    Kind now = after.things().get(thing).kind();
    return switch (change) {
      case COLOUR -> "make " + the + " " + lower(now.colour());
      case SIZE -> "make " + the + " " + lower(now.size());
      default -> "turn " + the + " into a " + lower(now.shape());
    };
  }

  /** The shortest words for a thing that fit no other of the scene; empty for one of two alike. */
  static Optional<String> reference(Scene scene, int which) {
    Kind kind = scene.things().get(which).kind();
    String shape = lower(kind.shape());
    Predicate<Kind> alike = other -> other.shape() == kind.shape();
    if (alone(scene, which, alike)) {
      return Optional.of("the " + shape);
    }
    if (alone(scene, which, alike.and(other -> other.colour() == kind.colour()))) {
      return Optional.of("the " + lower(kind.colour()) + " " + shape);
    }
    if (alone(scene, which, alike.and(other -> other.size() == kind.size()))) {
      return Optional.of("the " + lower(kind.size()) + " " + shape);
    }
    return Optional.empty();
  }

  private static boolean alone(Scene scene, int which, Predicate<Kind> alike) {
    return IntStream.range(0, scene.things().size())
        .filter(i -> i != which)
        .noneMatch(i -> alike.test(scene.things().get(i).kind()));
  }

  private static String lower(Enum<?> word) {
    return word.name().toLowerCase(Locale.ROOT);
  }
}
