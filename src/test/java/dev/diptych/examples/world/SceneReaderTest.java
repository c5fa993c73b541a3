package dev.diptych.examples.world;

import static org.assertj.core.api.Assertions.assertThat;

import dev.diptych.core.Image;
import dev.diptych.examples.world.Scene.Colour;
import dev.diptych.examples.world.Scene.Kind;
import dev.diptych.examples.world.Scene.Relation;
import dev.diptych.examples.world.Scene.Shape;
import dev.diptych.examples.world.Scene.Size;
import dev.diptych.examples.world.Scene.Thing;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class SceneReaderTest {
  @Test
  void readsEveryCleanPictureRight() {
    List<Scene> scenes = new ArrayList<>(PictureWorld.scenes(1, 1500, false));
    scenes.addAll(PictureWorld.scenes(2, 1500, true));

    List<String> wrong = new ArrayList<>();
    for (Scene scene : scenes) {
      SceneReader.Reading reading = SceneReader.read(SceneRenderer.render(scene));
      if (!reading.scene().map(scene::equals).orElse(false)) {
        wrong.add(scene.caption() + ": " + reading);
      }
    }

    assertThat(wrong).isEmpty();
  }

  @Test
  void readsPicturesWithSoftEdgesAndNoise() {
    Random random = new Random(3);
    List<String> wrong = new ArrayList<>();
    for (Scene scene : PictureWorld.scenes(4, 500, true)) {
      Image soft = softened(SceneRenderer.render(scene), random);
      SceneReader.Reading reading = SceneReader.read(soft);
      if (!reading.scene().map(scene::says).orElse(false)) {
        wrong.add(scene.caption() + ": " + reading);
      }
    }

    assertThat(wrong).isEmpty();
  }

  @Test
  void tellsEveryPairOfUnlikeScenesApart() {
    List<Scene> scenes = PictureWorld.scenes(5, 200, false);

    for (int i = 1; i < scenes.size(); i++) {
      Scene wanted = scenes.get(i - 1);
      Scene drawn = scenes.get(i);
      boolean same = SceneReader.read(SceneRenderer.render(drawn)).scene().orElseThrow().says(wanted);
      assertThat(same).as("%s for %s", drawn, wanted).isEqualTo(drawn.says(wanted));
    }
  }

  @Test
  void refusesAnEmptyPage() {
    assertThat(SceneReader.read(canvas().image()).reason()).isEqualTo("0 things");
  }

  @Test
  void refusesABlobOfNoShape() {
    Canvas canvas = canvas();
    canvas.fill(20, 10, 12, 40, Colour.RED);
    canvas.fill(20, 40, 30, 10, Colour.RED);

    assertThat(SceneReader.read(canvas.image()).reason()).startsWith("no shape fits");
  }

  @Test
  void refusesAColourBetweenTwoNames() {
    Image picture = SceneRenderer.render(single(Colour.RED));
    byte[] rgb = picture.rgb();
    for (int i = 0; i < rgb.length; i += 3) {
      if ((rgb[i + 1] & 0xff) < 200) { // halfway from red to purple
        rgb[i] = (byte) 180;
        rgb[i + 1] = 46;
        rgb[i + 2] = 108;
      }
    }

    assertThat(SceneReader.read(Image.of(64, 64, rgb)).reason()).startsWith("the colour");
  }

  @Test
  void refusesThreeThings() {
    Canvas canvas = canvas();
    canvas.fill(4, 4, 16, 16, Colour.BLUE);
    canvas.fill(40, 4, 16, 16, Colour.BLUE);
    canvas.fill(4, 40, 16, 16, Colour.RED);

    assertThat(SceneReader.read(canvas.image()).reason()).isEqualTo("3 things");
  }

  @Test
  void refusesThingsOnADiagonal() {
    Canvas canvas = canvas();
    canvas.fill(4, 4, 16, 16, Colour.BLUE);
    canvas.fill(40, 42, 16, 16, Colour.RED);

    assertThat(SceneReader.read(canvas.image()).reason()).startsWith("things on a diagonal");
  }

  @Test
  void refusesSpecks() {
    Canvas canvas = canvas();
    canvas.fill(24, 24, 16, 16, Colour.BLUE);
    canvas.fill(50, 50, 2, 3, Colour.BLUE);

    assertThat(SceneReader.read(canvas.image()).reason()).isEqualTo("a speck of 6 pixels");
  }

  @Test
  void refusesAThingOfTwoColours() {
    Canvas canvas = canvas();
    canvas.fill(24, 24, 16, 8, Colour.BLUE);
    canvas.fill(24, 32, 16, 8, Colour.YELLOW);

    assertThat(SceneReader.read(canvas.image()).scene()).isEmpty();
  }

  @Test
  void refusesASquareBetweenTheTwoSizesOfNothing() {
    Canvas canvas = canvas();
    canvas.fill(16, 16, 36, 36, Colour.GREEN);

    assertThat(SceneReader.read(canvas.image()).scene()).isEmpty();
  }

  @Test
  void refusesAnotherSizeOfPicture() {
    Image image = Image.of(8, 8, new byte[3 * 64]);

    assertThat(SceneReader.read(image).reason()).isEqualTo("a picture of 8x8 pixels");
  }

  private static Scene single(Colour colour) {
    return new Scene(List.of(new Thing(new Kind(Size.LARGE, colour, Shape.CIRCLE), 32, 32)), null);
  }

  // A 3x3 binomial blur and a little noise, as a decoder's picture has them.
  private static Image softened(Image image, Random random) {
    byte[] rgb = image.rgb();
    byte[] soft = new byte[rgb.length];
    for (int y = 0; y < 64; y++) {
      for (int x = 0; x < 64; x++) {
        for (int c = 0; c < 3; c++) {
          int sum = 0;
          for (int dy = -1; dy <= 1; dy++) {
            for (int dx = -1; dx <= 1; dx++) {
              int ny = Math.min(63, Math.max(0, y + dy));
              int nx = Math.min(63, Math.max(0, x + dx));
              sum += (2 - Math.abs(dx)) * (2 - Math.abs(dy)) * (rgb[3 * (ny * 64 + nx) + c] & 0xff);
            }
          }
          int noisy = sum / 16 + (int) Math.round(5 * random.nextGaussian());
          soft[3 * (y * 64 + x) + c] = (byte) Math.min(255, Math.max(0, noisy));
        }
      }
    }
    return Image.of(64, 64, soft);
  }

  private static Canvas canvas() {
    return new Canvas();
  }

  /** An empty page to put rectangles on. */
  private static final class Canvas {
    private final byte[] rgb = new byte[3 * 64 * 64];

    Canvas() {
      for (int i = 0; i < rgb.length; i++) {
        rgb[i] = (byte) SceneRenderer.BACKGROUND[i % 3];
      }
    }

    void fill(int left, int top, int width, int height, Colour colour) {
      for (int y = top; y < top + height; y++) {
        for (int x = left; x < left + width; x++) {
          rgb[3 * (64 * y + x)] = (byte) colour.red;
          rgb[3 * (64 * y + x) + 1] = (byte) colour.green;
          rgb[3 * (64 * y + x) + 2] = (byte) colour.blue;
        }
      }
    }

    Image image() {
      return Image.of(64, 64, rgb);
    }
  }
}
