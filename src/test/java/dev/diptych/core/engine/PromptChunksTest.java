package dev.diptych.core.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class PromptChunksTest {
  @Test
  void chunksAreWhatTheKernelTakesAtItsBestAndTheRest() {
    assertThat(chunks(1)).containsExactly(1);
    assertThat(chunks(512)).containsExactly(512);
    assertThat(chunks(620)).containsExactly(512, 108);
    assertThat(chunks(1030)).containsExactly(512, 512, 6);
    for (int unread = 1; unread < 5000; unread++) {
      List<Integer> sizes = chunks(unread);
      assertThat(sizes.stream().mapToInt(i -> i).sum()).isEqualTo(unread);
      assertThat(sizes).allMatch(s -> s > 0 && s <= 512);
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
