package dev.diptych.core.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class PromptChunksTest {
  @Test
  void chunksAreOfOneSizeAndLeaveNoRest() {
    assertThat(chunks(1)).containsExactly(1);
    assertThat(chunks(620)).containsExactly(620);
    assertThat(chunks(768)).containsExactly(384, 384);
    assertThat(chunks(1030)).containsExactly(515, 515);
    assertThat(chunks(1541)).containsExactly(514, 514, 513);
    for (int unread = 1; unread < 5000; unread++) {
      List<Integer> sizes = chunks(unread);
      assertThat(sizes.stream().mapToInt(i -> i).sum()).isEqualTo(unread);
      assertThat(sizes).allMatch(s -> s > 0 && s < 768);
    }
  }

  private static List<Integer> chunks(int unread) {
    List<Integer> sizes = new ArrayList<>();
    for (int left = unread; left > 0; left -= sizes.get(sizes.size() - 1)) {
      sizes.add(PromptChunks.next(left));
    }
    return sizes;
  }
}
