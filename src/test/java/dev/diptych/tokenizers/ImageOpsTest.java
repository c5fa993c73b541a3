package dev.diptych.tokenizers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import org.junit.jupiter.api.Test;

class ImageOpsTest {
  private static final Image WIDE = Pictures.photograph("wide");

  @Test
  void padsInTheMiddleAndNearerTheTopLeftWhenOdd() {
    Image one = Image.of(1, 1, new byte[] {1, 2, 3});

    Image padded = ImageOps.pad(one, 4, 2, 127, 128, 255);

    for (int y = 0; y < 2; y++) {
      for (int x = 0; x < 4; x++) {
        boolean inside = x == 1 && y == 0;
        assertThat(padded.red(x, y)).isEqualTo(inside ? 1 : 127);
        assertThat(padded.green(x, y)).isEqualTo(inside ? 2 : 128);
        assertThat(padded.blue(x, y)).isEqualTo(inside ? 3 : 255);
      }
    }
  }

  @Test
  void cropsWhatItPaddedBackOut() {
    Image square = ImageOps.padToSquare(WIDE, 9, 9, 9);

    assertThat(square.width()).isEqualTo(WIDE.width());
    assertThat(square.height()).isEqualTo(WIDE.width());
    assertThat(ImageOps.centerCrop(square, WIDE.width(), WIDE.height())).isEqualTo(WIDE);
    assertThat(ImageOps.padToSquare(square, 0, 0, 0)).isSameAs(square);
  }

  /** By every rounding of the reference: one pixel of each opacity. */
  @Test
  void blendsWithWhiteAndCutsOff() {
    byte[] alpha = new byte[256];
    byte[] rgb = new byte[3 * 256];
    for (int i = 0; i < 256; i++) {
      alpha[i] = (byte) i;
      rgb[3 * i + 2] = (byte) 200;
    }
    Image image = Image.of(256, 1, rgb).withAlpha(alpha);

    Image white = ImageOps.overWhite(image);

    assertThat(white.alpha()).isEmpty();
    assertThat(white.red(0, 0)).isEqualTo(255);
    assertThat(white.red(255, 0)).isZero();
    assertThat(white.blue(255, 0)).isEqualTo(200);
    // (1 - 0.2) x 255 in doubles is 204, (1 - 0.4) x 255 is 153 and (1 - 0.6) x 255 just that
    assertThat(white.red(51, 0)).isEqualTo(204);
    assertThat(white.red(128, 0)).isEqualTo(127);
    assertThat(white.blue(128, 0)).isEqualTo(227);
    assertThat(ImageOps.overWhite(white)).isSameAs(white);
  }

  @Test
  void refusesRectanglesOutsideThePicture() {
    int[][] rectangles = {
      {-1, 0, 1, 1},
      {0, -1, 1, 1},
      {0, 0, 0, 1},
      {0, 0, WIDE.width() + 1, 1},
      {Integer.MAX_VALUE, 0, 1, 1},
      {1, 0, Integer.MAX_VALUE, 1}
    };

    for (int[] r : rectangles) {
      assertThatThrownBy(() -> ImageOps.crop(WIDE, r[0], r[1], r[2], r[3]))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining(WIDE.width() + "x" + WIDE.height());
    }
    assertThatThrownBy(() -> ImageOps.centerCrop(WIDE, 1, WIDE.height() + 1))
        .isInstanceOf(InvalidRequestException.class);
  }

  @Test
  void refusesFramesThatAreTooSmallAndColoursThatAreNone() {
    assertThatThrownBy(() -> ImageOps.pad(WIDE, 5, 500, 0, 0, 0))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("Cannot pad to 5x500");
    assertThatThrownBy(() -> ImageOps.padToSquare(WIDE, 0, 256, 0))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("0, 256, 0");
    assertThatThrownBy(() -> ImageOps.padToSquare(WIDE, -1, 0, 0))
        .isInstanceOf(InvalidRequestException.class);
  }
}
