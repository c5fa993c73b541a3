package dev.diptych.tokenizers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import org.junit.jupiter.api.Test;

class PixelValuesTest {
  private static final float[] HALF = {0.5f, 0.5f, 0.5f};

  @Test
  void equalsTransformersForEveryByteAndEveryUsualMean() throws Exception {
    byte[] golden = Files.readAllBytes(Pictures.FOLDER.resolve("pixel_values.f32"));
    byte[] ramp = new byte[3 * 256];
    for (int i = 0; i < ramp.length; i++) {
      ramp[i] = (byte) (i / 3);
    }
    Image image = Image.of(256, 1, ramp);
    double[] scales = {0.00392156862745098, 1 / 255.0, 1 / 255.0, 1 / 127.5};
    float[][] means = {
      HALF, {0.48145466f, 0.4578275f, 0.40821073f}, {0.485f, 0.456f, 0.406f}, {1, 1, 1}
    };
    float[][] stds = {
      HALF, {0.26862954f, 0.26130258f, 0.27577711f}, {0.229f, 0.224f, 0.225f}, {1, 1, 1}
    };

    var expected = ByteBuffer.wrap(golden).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
    for (int i = 0; i < scales.length; i++) {
      float[] values = PixelValues.toFloats(image, scales[i], means[i], stds[i]);
      float[] wanted = new float[3 * 256];
      expected.get(wanted);
      assertThat(values).as("case %d", i).isEqualTo(wanted);
    }
    assertThat(expected.hasRemaining()).isFalse();
  }

  @Test
  void laysPlanesOneAfterTheOther() {
    Image image = Image.of(2, 1, new byte[] {0, 51, 102, (byte) 153, (byte) 204, (byte) 255});

    float[] values =
        PixelValues.toFloats(image, 1 / 255.0, new float[] {0, 0, 0}, new float[] {1, 1, 1});

    assertThat(values).containsExactly(0f, 0.6f, 0.2f, 0.8f, 0.4f, 1f);
  }

  @Test
  void refusesMeansAndDeviationsThatCannotBe() {
    Image image = Image.of(1, 1, new byte[3]);

    assertThatThrownBy(() -> PixelValues.toFloats(image, 1 / 255.0, new float[2], HALF))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("image_mean");
    assertThatThrownBy(() -> PixelValues.toFloats(image, 1 / 255.0, HALF, new float[3]))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("image_std")
        .hasMessageContaining("other than 0");
  }
}
