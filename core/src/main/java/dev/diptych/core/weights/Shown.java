package dev.diptych.core.weights;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;

/** How names from files are put into messages: short, on one line, without control characters. */
final class Shown {
  private static final int LONGEST = 160;
  private static final int MOST = 10;

  private Shown() {}

  static String name(String name) {
    StringBuilder out = new StringBuilder(Math.min(name.length(), LONGEST) + 8);
    for (int i = 0; i < name.length(); i++) {
      if (i == LONGEST) {
        return out.append("... (").append(name.length()).append(" characters)").toString();
      }
      char c = name.charAt(i);
      boolean unsafe = Character.isISOControl(c) || Character.isSurrogate(c)
          || Character.getType(c) == Character.FORMAT
          || Character.getType(c) == Character.LINE_SEPARATOR
          || Character.getType(c) == Character.PARAGRAPH_SEPARATOR;
      if (unsafe) {
        out.append(String.format(Locale.ROOT, "\\u%04x", (int) c));
      } else {
        out.append(c);
      }
    }
    return name.isEmpty() ? "\"\"" : out.toString();
  }

  static String file(Path file) {
    Path last = file.getFileName();
    return name(last == null ? file.toString() : last.toString());
  }

  /** The first few of many, with how many more there are. */
  static String some(Collection<String> names) {
    StringBuilder out = new StringBuilder();
    int i = 0;
    for (String name : names) {
      if (i == MOST) {
        return out.append(" and ").append(names.size() - MOST).append(" more").toString();
      }
      out.append(i++ == 0 ? "" : ", ").append(name(name));
    }
    return out.toString();
  }

  /** The names most like one that is absent: same ending first, then the fewest edits. */
  static List<String> nearest(String wanted, Collection<String> names) {
    if (wanted.length() > LONGEST) {
      return List.of();
    }
    record Candidate(String name, int distance) {}
    List<Candidate> candidates = new ArrayList<>();
    for (String name : names) {
      if (name.length() <= LONGEST) {
        boolean sameEnd = name.endsWith("." + wanted) || wanted.endsWith("." + name);
        candidates.add(new Candidate(name, sameEnd ? 0 : distance(wanted, name)));
      }
      if (candidates.size() == 5000) {
        break;
      }
    }
    return candidates.stream()
        .filter(c -> c.distance() <= Math.max(4, wanted.length() / 3))
        .sorted(Comparator.comparingInt(Candidate::distance))
        .limit(3)
        .map(Candidate::name)
        .toList();
  }

  private static int distance(String a, String b) {
    int[] above = new int[b.length() + 1];
    for (int j = 0; j <= b.length(); j++) {
      above[j] = j;
    }
    for (int i = 1; i <= a.length(); i++) {
      int diagonal = above[0];
      above[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        int replaced = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        diagonal = above[j];
        above[j] = Math.min(replaced, 1 + Math.min(above[j], above[j - 1]));
      }
    }
    return above[b.length()];
  }
}
