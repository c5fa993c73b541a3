package dev.diptych.models.transfusion;

import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.TorchDevice;
import dev.diptych.core.engine.TorchScript;
import dev.diptych.core.engine.Value;
import dev.diptych.models.denoising.Batch;
import dev.diptych.models.denoising.DenoisingTransformer;
import dev.diptych.models.denoising.Piece;
import dev.diptych.models.denoising.SpanLayout;

/**
 * What reads pictures in LLaVAFusion: rows that go by the weights of words, each seeing what stands
 * before it, as in the LLaVA that it was made from. Every method is one native call unless it says
 * otherwise.
 */
final class VisionTower implements AutoCloseable {
  private final VisionConfig config;
  private final DenoisingTransformer transformer;
  private final TorchDevice device;
  private final TorchScript script;
  private final Value form;

  private VisionTower(VisionConfig config, DenoisingTransformer transformer, TorchScript script) {
    this.config = config;
    this.transformer = transformer;
    this.device = transformer.device();
    this.script = script;
    try (Scope call = new Scope()) {
      this.form =
          script.call(
              "form",
              call.add(device.of((long) config.headDim())),
              call.add(device.of(config.layerNormEps())),
              call.add(device.of(config.quickGelu())));
    }
  }

  /** Compiles the script; the weights are the transformer's. */
  static VisionTower load(VisionConfig config, DenoisingTransformer transformer) {
    TorchScript script = DenoisingTransformer.compile(transformer.device(), VisionTower.class);
    try {
      return new VisionTower(config, transformer, script);
    } catch (RuntimeException | Error e) {
      script.close();
      throw e;
    }
  }

  /**
   * Computes a picture's rows.
   *
   * @param pixelValues [3, side, side] float32, normalised
   * @return [1, P, D]
   */
  Value features(float[] pixelValues) {
    try (Scope call = new Scope()) {
      return script.call(
          "features",
          call.add(device.floats(pixelValues, 1, 3, config.imageSize(), config.imageSize())),
          call.add(device.of((long) config.layers())),
          call.add(device.of(config.classToken())),
          form,
          transformer.weights());
    }
  }

  /** {@return [P * D] float32, a picture's rows; two native calls} */
  float[] floats(float[] pixelValues) {
    try (Scope call = new Scope()) {
      return call.add(script.call("to_float", call.add(features(pixelValues)))).toFloats();
    }
  }

  /** A picture that is read, as it stands in a context; two native calls. */
  final class Picture implements Piece {
    private final float[] pixelValues;

    /**
     * Keeps the pixels.
     *
     * @param pixelValues [3, side, side] float32, normalised
     */
    Picture(float[] pixelValues) {
      this.pixelValues = pixelValues;
    }

    @Override
    public SpanLayout layout() {
      return SpanLayout.words(config.rows());
    }

    @Override
    public void read(Batch batch) {
      try (Scope call = new Scope()) {
        call.add(
            script.call(
                "read",
                call.add(features(pixelValues)),
                batch.caches(),
                batch.span(),
                transformer.shape(),
                transformer.weights()));
      }
    }
  }

  @Override
  public void close() {
    try (script) {
      form.close();
    }
  }
}
