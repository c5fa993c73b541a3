package dev.diptych.examples.world;

import java.util.List;
import java.util.Locale;
import java.util.Objects;

/**
 * What a picture of the world shows: one thing, or two of which the upper or left one comes first.
 *
 * @param things one or two
 * @param relation how the first stands to the second; null for a single thing
 */
public record Scene(List<Thing> things, Relation relation) {
  /** The six colours; the order is that of the training script, as in the other enums here. */
  public enum Colour {
    RED(214, 40, 40),
    GREEN(34, 150, 62),
    BLUE(38, 84, 214),
    YELLOW(240, 196, 20),
    PURPLE(146, 52, 176),
    BLACK(28, 28, 32);

    final int red;
    final int green;
    final int blue;

    Colour(int red, int green, int blue) {
      this.red = red;
      this.green = green;
      this.blue = blue;
    }
  }

  /** The four shapes. */
  public enum Shape {
    CIRCLE,
    SQUARE,
    TRIANGLE,
    STAR
  }

  /** The two sizes and their extents in pixels. */
  public enum Size {
    SMALL(16),
    LARGE(26);

    final int extent;

    Size(int extent) {
      this.extent = extent;
    }
  }

  /** How one thing stands to another. */
  public enum Relation {
    ABOVE,
    BELOW,
    LEFT,
    RIGHT;

    /** The same fact told from the other thing. */
    public Relation inverse() {
      return switch (this) {
        case ABOVE -> BELOW;
        case BELOW -> ABOVE;
        case LEFT -> RIGHT;
        case RIGHT -> LEFT;
      };
    }
  }

  /** A thing without its place: all that words say of it. */
  public record Kind(Size size, Colour colour, Shape shape) {
    /** For example {@code "large red circle"}. */
    @Override
    public String toString() {
      return (size + " " + colour + " " + shape).toLowerCase(Locale.ROOT);
    }
  }

  /**
   * A thing in its place.
   *
   * @param x centre, in pixels from the left edge
   * @param y centre, in pixels from the top edge
   */
  public record Thing(Kind kind, int x, int y) {}

  /** Copies the list and checks that the scene is told in the one order. */
  public Scene {
    things = List.copyOf(things);
    if (things.isEmpty() || things.size() > 2 || (things.size() == 2) != (relation != null)) {
      throw new IllegalArgumentException(
          "Cannot make a scene of " + things.size() + " things with relation " + relation);
    }
    if (relation == Relation.BELOW || relation == Relation.RIGHT) {
      throw new IllegalArgumentException(
          "Cannot make a scene with relation " + relation + ": the upper or left thing comes first");
    }
  }

  /** Whether the other scene has the same kinds in the same relation, wherever they stand. */
  public boolean says(Scene other) {
    Objects.requireNonNull(other, "other");
    if (relation != other.relation || things.size() != other.things.size()) {
      return false;
    }
    for (int i = 0; i < things.size(); i++) {
      if (!things.get(i).kind().equals(other.things.get(i).kind())) {
        return false;
      }
    }
    return true;
  }

  /** The form that the demo model answers with, the upper or left thing first. */
  public String caption() {
    String first = "a " + things.get(0).kind();
    return relation == null
        ? first
        : first
            + (relation == Relation.ABOVE ? " above a " : " to the left of a ")
            + things.get(1).kind();
  }
}
