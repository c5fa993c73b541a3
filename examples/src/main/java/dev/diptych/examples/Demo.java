package dev.diptych.examples;

import java.util.Arrays;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;

/** The small models of the picture world that come with the programs. */
public enum Demo {
  /** Captions pictures and draws them. */
  JANUS(Skill.CAPTION, Skill.DRAW),
  /** Captions, draws, tells stories in words and pictures, and edits pictures. */
  CHAMELEON(Skill.CAPTION, Skill.DRAW, Skill.TELL, Skill.EDIT),
  /** Captions, draws by denoising, tells stories, and edits pictures. */
  TRANSFUSION(Skill.CAPTION, Skill.DRAW, Skill.TELL, Skill.EDIT);

  /** What a demo was taught; its family may be able to do more. */
  public enum Skill {
    /** Describes pictures and answers questions about them. */
    CAPTION("caption pictures"),
    /** Draws pictures from words. */
    DRAW("draw"),
    /** Answers in words and pictures. */
    TELL("tell stories in words and pictures"),
    /** Draws a picture anew as an instruction says. */
    EDIT("edit pictures");

    private final String words;

    Skill(String words) {
      this.words = words;
    }

    /** {@return what it is to do so, after "to"} */
    @Override
    public String toString() {
      return words;
    }
  }

  private final Set<Skill> skills;

  Demo(Skill... skills) {
    this.skills = Set.of(skills);
  }

  /** {@return whether it was taught this} */
  public boolean can(Skill skill) {
    return skills.contains(skill);
  }

  /** {@return the demo that does this where none is named} */
  public static Demo that(Skill skill) {
    return switch (skill) {
      case CAPTION, DRAW -> JANUS;
      case TELL -> CHAMELEON;
      case EDIT -> TRANSFUSION;
    };
  }

  /** {@return the names on a command line, with commas between} */
  public static String names() {
    return Arrays.stream(values()).map(Demo::toString).collect(Collectors.joining(", "));
  }

  /** {@return the name on a command line, also of the folder of its files} */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
