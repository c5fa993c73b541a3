package dev.diptych.examples.world;

import dev.diptych.core.Image;
import dev.diptych.examples.world.Scene.Colour;
import dev.diptych.examples.world.Scene.Shape;
import dev.diptych.examples.world.Scene.Thing;
import java.util.Arrays;

/**
 * Draws scenes in whole-number arithmetic, 4x4 samples a pixel, so that the training script's
 * pictures and these are equal to the last bit.
 */
public final class SceneRenderer {
  /** Red, green and blue of the empty page. */
  static final int[] BACKGROUND = {244, 244, 238};

  // Normals of the five lines of an upright pentagram, times 1000.
  private static final int[][] STAR_NORMALS = {
    {0, -1000}, {951, -309}, {588, 809}, {-588, 809}, {-951, -309}
  };

  private SceneRenderer() {}

  /** The picture, 64x64 pixels. */
  public static Image render(Scene scene) {
    int side = PictureWorld.SIDE;
    byte[] rgb = new byte[3 * side * side];
    for (int i = 0; i < rgb.length; i++) {
      rgb[i] = (byte) BACKGROUND[i % 3];
    }
    for (Thing thing : scene.things()) {
      int reach = thing.kind().size().extent / 2 + 2;
      for (int y = Math.max(0, thing.y() - reach); y < Math.min(side, thing.y() + reach); y++) {
        for (int x = Math.max(0, thing.x() - reach); x < Math.min(side, thing.x() + reach); x++) {
          blend(rgb, 3 * (y * side + x), thing.kind().colour(), samplesInside(thing, x, y));
        }
      }
    }
    return Image.of(side, side, rgb);
  }

  private static void blend(byte[] rgb, int at, Colour colour, int n) {
    int[] ink = {colour.red, colour.green, colour.blue};
    for (int c = 0; c < 3; c++) {
      rgb[at + c] = (byte) (((rgb[at + c] & 0xff) * (16 - n) + ink[c] * n + 8) >> 4);
    }
  }

  private static int samplesInside(Thing thing, int x, int y) {
    int n = 0;
    for (int j = 0; j < 4; j++) {
      for (int i = 0; i < 4; i++) {
        // Offsets in eighths of a pixel: samples stand at odd eighths.
        int dx = 8 * (x - thing.x()) + 2 * i + 1;
        int dy = 8 * (y - thing.y()) + 2 * j + 1;
        if (isInside(thing.kind().shape(), dx, dy, 4 * thing.kind().size().extent)) {
          n++;
        }
      }
    }
    return n;
  }

  private static boolean isInside(Shape shape, int dx, int dy, int r) {
    return switch (shape) {
      case CIRCLE -> dx * dx + dy * dy <= r * r;
      case SQUARE -> Math.abs(dx) <= r && Math.abs(dy) <= r;
      case TRIANGLE -> dy <= r && 2 * Math.abs(dx) <= dy + r;
      // Inside at least four of the five lines; lowered by a tenth so that the extents are centred.
      case STAR ->
          Arrays.stream(STAR_NORMALS)
                  .filter(n -> n[0] * 10 * dx + n[1] * (10 * dy - r) <= 3250 * r)
                  .count()
              >= 4;
    };
  }
}
