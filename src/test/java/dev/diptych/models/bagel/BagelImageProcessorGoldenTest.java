package dev.diptych.models.bagel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonObject;
import dev.diptych.core.Image;
import dev.diptych.core.InvalidImageException;
import dev.diptych.testing.Golden;
import dev.diptych.testing.Photographs;
import dev.diptych.tokenizers.ImageFile;
import java.security.MessageDigest;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;

/** What the VAE and the vision tower read, equal to the reference to the last bit. */
class BagelImageProcessorGoldenTest {
  // The published tables of positions, of which the sizes in the reference's text are the figures.
  private final BagelImageProcessor processor = new BagelImageProcessor(64, 16, 70, 14);
  private final JsonObject golden = Golden.facts("bagel/preprocess");

  @Test
  void theVaeReadsWhatItReadsInTheReference() {
    Photographs.check(
        golden.getAsJsonObject("vae"),
        image -> processor.forVae(processor.fit(image)).pixelValues());
  }

  @Test
  void theTowerReadsWhatTheSizesOfTheVaeLeave() {
    Photographs.check(
        golden.getAsJsonObject("vit"),
        image -> processor.forVision(processor.fit(image)).pixelValues());
  }

  @Test
  void sizesAreThoseOfTheReference() {
    Photographs.forEachRow(
        golden,
        (size, row) -> {
          assertThat(processor.vaeSize(row[0], row[1])).as(size).containsExactly(row[2], row[3]);
          assertThat(processor.vaeSize(row[2], row[3]))
              .as("%s again", size)
              .containsExactly(row[4], row[5]);
          assertThat(processor.visionSize(row[0], row[1]))
              .as("%s seen", size)
              .containsExactly(row[6], row[7]);
          assertThat(processor.visionSize(row[2], row[3]))
              .as("%s seen behind the VAE's", size)
              .containsExactly(row[8], row[9]);
        });
  }

  @Test
  void opacityLiesOnWhiteAsPillowPastes() throws Exception {
    Image picture =
        ImageFile.read(Golden.folder("bagel/preprocess").resolve("opacity.png"));
    assertThat(picture.alpha()).isPresent();

    byte[] white = BagelImageProcessor.overWhite(picture).rgb();

    assertThat(HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(white)))
        .isEqualTo(golden.get("opacity_sha256").getAsString());
  }

  @Test
  void refusesALine() {
    Image line = Image.of(201, 1, new byte[603]);

    assertThatThrownBy(() -> processor.fit(line))
        .isInstanceOf(InvalidImageException.class)
        .hasMessageContaining("201x1");
  }
}
