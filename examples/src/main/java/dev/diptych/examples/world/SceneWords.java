package dev.diptych.examples.world;

import dev.diptych.examples.world.Scene.Colour;
import dev.diptych.examples.world.Scene.Kind;
import dev.diptych.examples.world.Scene.Relation;
import dev.diptych.examples.world.Scene.Shape;
import dev.diptych.examples.world.Scene.Size;
import dev.diptych.examples.world.Scene.Thing;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads what a caption says. */
public final class SceneWords {
  /** The question that asks the demo model for a caption. */
  public static final String CAPTION_QUESTION = "Describe the picture.";

  private static final String KIND = "(?:a|the) (\\w+) (\\w+) (\\w+)";
  private static final Pattern CAPTION =
      Pattern.compile(
          KIND
              + "(?: (above|over|below|under|(?:to the )?left of|(?:to the )?right of) "
              + KIND
              + ")?\\.?");

  private SceneWords() {}

  /**
   * The scene of a caption in either order of the relation; its things stand at 0, 0, since words
   * name no places. Empty when the text is anything else.
   */
  public static Optional<Scene> parse(String caption) {
    Matcher words = CAPTION.matcher(caption.strip().toLowerCase(Locale.ROOT));
    if (!words.matches()) {
      return Optional.empty();
    }
    Optional<Thing> first = thing(words, 1);
    if (first.isEmpty() || words.group(4) == null) {
      return first.map(thing -> new Scene(List.of(thing), null));
    }
    Optional<Thing> second = thing(words, 5);
    if (second.isEmpty()) {
      return Optional.empty();
    }
    Relation relation = relation(words.group(4));
    boolean told = relation == Relation.ABOVE || relation == Relation.LEFT;
    return Optional.of(
        told
            ? new Scene(List.of(first.get(), second.get()), relation)
            : new Scene(List.of(second.get(), first.get()), relation.inverse()));
  }

  private static Relation relation(String words) {
    if (words.endsWith("left of")) {
      return Relation.LEFT;
    }
    if (words.endsWith("right of")) {
      return Relation.RIGHT;
    }
    return words.equals("above") || words.equals("over") ? Relation.ABOVE : Relation.BELOW;
  }

  private static Optional<Thing> thing(Matcher words, int group) {
    String size =
        switch (words.group(group)) {
          case "little" -> "small";
          case "big" -> "large";
          default -> words.group(group);
        };
    Size foundSize = named(Size.values(), size);
    Colour colour = named(Colour.values(), words.group(group + 1));
    Shape shape = named(Shape.values(), words.group(group + 2));
    return foundSize == null || colour == null || shape == null
        ? Optional.empty()
        : Optional.of(new Thing(new Kind(foundSize, colour, shape), 0, 0));
  }

  private static <E extends Enum<E>> E named(E[] values, String name) {
    for (E value : values) {
      if (value.name().toLowerCase(Locale.ROOT).equals(name)) {
        return value;
      }
    }
    return null;
  }
}
