package dev.diptych.tokenizers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.ResourceLimitException;
import java.io.ByteArrayInputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import org.junit.jupiter.api.Test;

class PillowResizeGoldenTest {

  @Test
  void equalsPillowInEveryPixelOfEveryCase() throws Exception {
    List<String> differences = new ArrayList<>();
    var casesOfFilter = new TreeMap<ResizeFilter, Integer>();
    try (ZipFile cases = new ZipFile(Pictures.FOLDER.resolve("resize.zip").toFile())) {
      for (ZipEntry entry : cases.stream().toList()) {
        byte[] png = cases.getInputStream(entry).readAllBytes();
        Image expected = Pictures.expected(new ByteArrayInputStream(png));
        String[] name = entry.getName().split("\\.");
        ResizeFilter filter = ResizeFilter.valueOf(name[1]);
        Image found =
            PillowResize.resize(source(name[0]), expected.width(), expected.height(), filter);
        String difference = Pictures.difference(expected, found);
        if (!difference.isEmpty()) {
          differences.add(entry.getName() + ": " + difference);
        }
        casesOfFilter.merge(filter, 1, Integer::sum);
      }
    }

    assertThat(differences).isEmpty();
    assertThat(casesOfFilter).hasSize(5).allSatisfy((filter, n) -> assertThat(n).isGreaterThan(30));
  }

  private static Image source(String name) {
    if (!name.startsWith("crop_")) {
      return Pictures.photograph(name);
    }
    String[] box = name.split("_");
    int x = Integer.parseInt(box[1]);
    int y = Integer.parseInt(box[2]);
    int width = Integer.parseInt(box[3]) - x;
    int height = Integer.parseInt(box[4]) - y;
    return ImageOps.crop(Pictures.photograph("chelsea"), x, y, width, height);
  }

  @Test
  void keepsAPictureThatHasTheSizeAlready() {
    Image picture = Pictures.photograph("wide");

    Image found =
        PillowResize.resize(picture, picture.width(), picture.height(), ResizeFilter.LANCZOS);

    assertThat(found).isSameAs(picture);
  }

  @Test
  void keepsASingleColourWithEveryFilter() {
    byte[] rgb = new byte[3 * 30 * 20];
    Arrays.fill(rgb, (byte) 201);
    Image plain = Image.of(30, 20, rgb);

    for (ResizeFilter filter : ResizeFilter.values()) {
      for (int size : new int[] {1, 7, 31, 64}) {
        Image found = PillowResize.resize(plain, size, size, filter);
        assertThat(found.rgb()).as(filter + " " + size).containsOnly(201);
      }
    }
  }

  @Test
  void refusesSidesBelowOneAndResultsBeyondAnArray() {
    Image picture = Pictures.photograph("wide");

    for (int[] size : new int[][] {{0, 5}, {5, 0}, {-1, 5}, {50_000, 50_000}}) {
      assertThatThrownBy(() -> PillowResize.resize(picture, size[0], size[1], ResizeFilter.BICUBIC))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("found    " + size[0] + "x" + size[1]);
    }
  }

  @Test
  void refusesALineSoLongThatItsWeightsWouldFillTheMemory() {
    Image line = Image.of(20_000_000, 1, new byte[60_000_000]);

    assertThatThrownBy(() -> PillowResize.resize(line, 384, 384, ResizeFilter.LANCZOS))
        .isInstanceOf(ResourceLimitException.class)
        .hasMessageContaining("one long line");
  }
}
