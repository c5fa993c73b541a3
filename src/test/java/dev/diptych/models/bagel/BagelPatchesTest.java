package dev.diptych.models.bagel;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** Latents to cells and back. */
class BagelPatchesTest {
  @Test
  void aCellHasItsChannelsTogetherAndItsRowsBelowEachOther() {
    // One cell of 2 x 2 latents with 2 channels: the first 0 to 3, the second 10 to 13, by rows.
    float[] latents = {0, 1, 2, 3, 10, 11, 12, 13};

    assertThat(BagelPatches.cells(latents, 2, 1, 1, 2))
        .containsExactly(0, 10, 1, 11, 2, 12, 3, 13);
  }

  @Test
  void cellsFollowEachOtherByRows() {
    // 1 channel, 1 row of 2 cells: the latents' first row is 0 to 3, the second 4 to 7.
    float[] latents = {0, 1, 2, 3, 4, 5, 6, 7};

    assertThat(BagelPatches.cells(latents, 1, 1, 2, 2)).containsExactly(0, 1, 4, 5, 2, 3, 6, 7);
  }

  @Test
  void thereAndBackIsWhatItWas() {
    float[] latents = new float[3 * 4 * 6];
    for (int i = 0; i < latents.length; i++) {
      latents[i] = i;
    }

    float[] cells = BagelPatches.cells(latents, 3, 2, 3, 2);

    assertThat(cells).isNotEqualTo(latents);
    assertThat(BagelPatches.latents(cells, 3, 2, 3, 2)).containsExactly(latents);
  }
}
