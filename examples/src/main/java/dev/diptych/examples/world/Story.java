package dev.diptych.examples.world;

import dev.diptych.examples.world.Scene.Kind;
import dev.diptych.examples.world.Scene.Relation;
import dev.diptych.examples.world.Scene.Thing;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

/**
 * What happens in up to three pictures: one thing stands there, another joins it, one of the two
 * leaves. Each picture follows a line of words, and every thing keeps its place.
 *
 * @param pair what the second picture shows: two things of different kinds
 * @param newcomer which thing of the pair joins, 0 or 1
 * @param leaver which thing of the pair leaves, 0 or 1
 * @param pictures 1 to 3
 */
public record Story(Scene pair, int newcomer, int leaver, int pictures) {
  /** The most pictures that a story has. */
  public static final int MOST_PICTURES = 3;

  private static final Pattern FIRST = Pattern.compile("(a \\w+ \\w+ \\w+)");
  private static final Pattern JOINS =
      Pattern.compile("then (a \\w+ \\w+ \\w+) joins it (above|below|on the left|on the right)");
  private static final Pattern LEAVES = Pattern.compile("then the (\\w+ \\w+ \\w+) leaves");

  /** Checks that there are two things to tell apart. */
  public Story {
    if (pair.relation() == null || kind(pair, 0).equals(kind(pair, 1))) {
      throw new IllegalArgumentException(
          "Cannot tell a story of " + pair.caption() + ": it takes two things of different kinds");
    }
    if (pictures < 1 || pictures > MOST_PICTURES || (newcomer | leaver | 1) != 1) {
      throw new IllegalArgumentException(
          "Cannot tell a story of "
              + pictures
              + " pictures in which thing "
              + newcomer
              + " joins and thing "
              + leaver
              + " leaves: there are things 0 and 1, and 1 to 3 pictures");
    }
  }

  /** What each picture shows. */
  public List<Scene> scenes() {
    return List.of(alone(1 - newcomer), pair, alone(1 - leaver)).subList(0, pictures);
  }

  /** What is said before each picture. */
  public List<String> lines() {
    String where =
        pair.relation() == Relation.ABOVE
            ? (newcomer == 0 ? "above" : "below")
            : (newcomer == 0 ? "on the left" : "on the right");
    return List.of(
            "a " + kind(pair, 1 - newcomer),
            "then a " + kind(pair, newcomer) + " joins it " + where,
            "then the " + kind(pair, leaver) + " leaves")
        .subList(0, pictures);
  }

  /** The same with what the picture will show, where the line alone does not say it. */
  public List<String> told() {
    List<String> lines = lines();
    List<Scene> scenes = scenes();
    return IntStream.range(0, pictures)
        .mapToObj(i -> i == 0 ? lines.get(0) : lines.get(i) + ": " + scenes.get(i).caption())
        .toList();
  }

  /** One way to ask for the story, word for word. */
  public String request() {
    return "Tell a story: " + String.join(", ", lines());
  }

  /**
   * The story that lines tell; its things stand at 0, 0, since words name no places. Empty when the
   * lines are anything else.
   *
   * @param lines what is said before each picture, one to three
   */
  public static Optional<Story> parse(List<String> lines) {
    if (lines.isEmpty() || lines.size() > MOST_PICTURES) {
      return Optional.empty();
    }
    List<Matcher> found = new ArrayList<>();
    for (int i = 0; i < lines.size(); i++) {
      Matcher words = List.of(FIRST, JOINS, LEAVES).get(i).matcher(lines.get(i).strip());
      if (!words.matches()) {
        return Optional.empty();
      }
      found.add(words);
    }
    Optional<Thing> first = thing(found.get(0).group(1));
    // A story of one picture says nothing of its second thing; any other kind will do.
    String joins = lines.size() > 1 ? found.get(1).group(1) : other(found.get(0).group(1));
    Optional<Thing> second = thing(joins);
    if (first.isEmpty() || second.isEmpty() || first.equals(second)) {
      return Optional.empty();
    }
    String where = lines.size() > 1 ? found.get(1).group(2) : "below";
    int newcomer = where.equals("above") || where.equals("on the left") ? 0 : 1;
    Relation relation = where.startsWith("on") ? Relation.LEFT : Relation.ABOVE;
    Scene pair =
        newcomer == 0
            ? new Scene(List.of(second.get(), first.get()), relation)
            : new Scene(List.of(first.get(), second.get()), relation);
    int leaver = 0;
    if (lines.size() > 2) {
      String leaves = found.get(2).group(1);
      leaver = leaves.equals(kind(pair, 0).toString()) ? 0 : 1;
      if (!leaves.equals(kind(pair, leaver).toString())) {
        return Optional.empty();
      }
    }
    return Optional.of(new Story(pair, newcomer, leaver, lines.size()));
  }

  private Scene alone(int thing) {
    return new Scene(List.of(pair.things().get(thing)), null);
  }

  private static Kind kind(Scene pair, int thing) {
    return pair.things().get(thing).kind();
  }

  private static String other(String thing) {
    return thing.equals("a small red circle") ? "a large red circle" : "a small red circle";
  }

  private static Optional<Thing> thing(String words) {
    return SceneWords.parse(words).map(scene -> scene.things().get(0));
  }
}
