package dev.diptych.examples.world;

import dev.diptych.examples.world.Scene.Kind;
import dev.diptych.examples.world.Scene.Shape;
import dev.diptych.examples.world.Scene.Size;
import java.util.ArrayList;
import java.util.List;

/**
 * What share of every pixel a shape covers, from the outline that geometry gives it and not from the
 * renderer's arithmetic.
 */
final class ShapeOutline {
  /** Side of a coverage, in pixels; the shape's centre is the middle. */
  static final int SIDE = 40;

  private static final int SAMPLES = 5;

  final Shape shape;
  final Size size;

  /** [40, 40] row by row, each in [0, 1]. */
  final double[] coverage;

  /** The sum of the coverage, in pixels. */
  final double area;

  private ShapeOutline(Shape shape, Size size, double[] coverage) {
    this.shape = shape;
    this.size = size;
    this.coverage = coverage;
    double sum = 0;
    for (double c : coverage) {
      sum += c;
    }
    this.area = sum;
  }

  /** Every shape in every size. */
  static List<ShapeOutline> all() {
    List<ShapeOutline> all = new ArrayList<>();
    for (Shape shape : Shape.values()) {
      for (Size size : Size.values()) {
        all.add(new ShapeOutline(shape, size, coverage(shape, size.extent / 2.0)));
      }
    }
    return List.copyOf(all);
  }

  Kind kind(Scene.Colour colour) {
    return new Kind(size, colour, shape);
  }

  private static double[] coverage(Shape shape, double r) {
    double[][] outline = outline(shape, r);
    double[] coverage = new double[SIDE * SIDE];
    for (int j = 0; j < SIDE * SAMPLES; j++) {
      for (int i = 0; i < SIDE * SAMPLES; i++) {
        double x = (i + 0.5) / SAMPLES - SIDE / 2.0;
        double y = (j + 0.5) / SAMPLES - SIDE / 2.0;
        if (shape == Shape.CIRCLE ? x * x + y * y <= r * r : contains(outline, x, y)) {
          coverage[j / SAMPLES * SIDE + i / SAMPLES] += 1.0 / (SAMPLES * SAMPLES);
        }
      }
    }
    return coverage;
  }

  private static double[][] outline(Shape shape, double r) {
    return switch (shape) {
      case CIRCLE -> new double[0][];
      case SQUARE -> new double[][] {{-r, -r}, {r, -r}, {r, r}, {-r, r}};
      case TRIANGLE -> new double[][] {{0, -r}, {r, r}, {-r, r}};
      case STAR -> star(r);
    };
  }

  // Five points on a circle that is a little larger than the half extent, since a star's points
  // fill it neither to the sides nor below; the notches of a pentagram between them.
  private static double[][] star(double r) {
    double outer = 1.0518 * r;
    double inner = outer * Math.sin(Math.toRadians(18)) / Math.cos(Math.toRadians(36));
    double[][] points = new double[10][];
    for (int i = 0; i < points.length; i++) {
      double angle = Math.toRadians(36.0 * i - 90);
      double radius = i % 2 == 0 ? outer : inner;
      points[i] =
          new double[] {radius * Math.cos(angle), 0.1 * r + radius * Math.sin(angle)};
    }
    return points;
  }

  private static boolean contains(double[][] outline, double x, double y) {
    boolean inside = false;
    for (int i = 0; i < outline.length; i++) {
      double[] a = outline[i];
      double[] b = outline[(i + 1) % outline.length];
      if (a[1] <= y != b[1] <= y && x < a[0] + (y - a[1]) * (b[0] - a[0]) / (b[1] - a[1])) {
        inside = !inside;
      }
    }
    return inside;
  }
}
