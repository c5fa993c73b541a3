package dev.diptych.models.transfusion;

import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.TorchDevice;
import dev.diptych.core.engine.TorchScript;
import dev.diptych.core.engine.Value;
import dev.diptych.models.denoising.Batch;
import dev.diptych.models.denoising.DenoisingTransformer;
import dev.diptych.models.denoising.NoiseTable;
import dev.diptych.models.denoising.Piece;
import dev.diptych.models.denoising.SpanLayout;

/**
 * Pictures into the decoder and out of it. Every method is one native call unless it says otherwise.
 *
 * @see <a href="https://arxiv.org/abs/2408.11039">Transfusion, §3.2</a>
 */
final class TransfusionNetwork implements AutoCloseable {
  private final TransfusionConfig config;
  private final DenoisingTransformer transformer;
  private final TorchDevice device;
  private final TorchScript script;
  private final Value form;

  private TransfusionNetwork(
      TransfusionConfig config, DenoisingTransformer transformer, TorchScript script) {
    this.config = config;
    this.transformer = transformer;
    this.device = transformer.device();
    this.script = script;
    TransfusionConfig.Unet unet = config.unet().orElse(TransfusionConfig.Unet.NONE);
    try (Scope call = new Scope()) {
      this.form =
          script.call(
              "form",
              call.add(device.of((long) config.patchSize())),
              call.add(device.of((long) config.timeFrequencies())),
              call.add(device.of((long) unet.levels())),
              call.add(device.of((long) unet.layersPerBlock())),
              call.add(device.of((long) unet.normNumGroups())),
              call.add(device.of(unet.normEps())));
    }
  }

  /** Compiles the script; the weights are the transformer's. */
  static TransfusionNetwork load(TransfusionConfig config, DenoisingTransformer transformer) {
    TorchScript script =
        DenoisingTransformer.compile(transformer.device(), TransfusionNetwork.class);
    try {
      return new TransfusionNetwork(config, transformer, script);
    } catch (RuntimeException | Error e) {
      script.close();
      throw e;
    }
  }

  /** {@return how a picture of so many latents stands among words} */
  SpanLayout layout(int rows, int columns) {
    return SpanLayout.picture(config.patches(rows, columns));
  }

  /** {@return the weights of guidance, for {@link #step}} */
  Value scales(double first, double second) {
    try (Value a = device.of(first);
        Value b = device.of(second)) {
      return script.call("scales", a, b);
    }
  }

  /**
   * Takes a step of denoising.
   *
   * @param latents [N, C, y, x] float32
   * @param noise [N, C, y, x] float32
   * @param scales of the first context beside the second, and of the second beside the third
   * @return [N, C, y, x] float32, less noisy
   */
  Value step(Value latents, Value noise, NoiseTable.Step step, Batch batch, Value scales) {
    try (Scope call = new Scope()) {
      return script.call(
          "step",
          latents,
          noise,
          call.add(device.floats(step.row(), step.row().length)),
          call.add(device.of(step.time())),
          batch.caches(),
          batch.span(),
          transformer.shape(),
          scales,
          form,
          transformer.weights());
    }
  }

  /**
   * Says what the model says of noisy latents in every context.
   *
   * @param latents [N, C, y, x] float32
   * @return [G * N * C * y * x] float32
   */
  float[] outputs(Value latents, double time, Batch batch) {
    try (Scope call = new Scope()) {
      return call.add(
              script.call(
                  "outputs",
                  latents,
                  call.add(device.of(time)),
                  batch.caches(),
                  batch.span(),
                  transformer.shape(),
                  form,
                  transformer.weights()))
          .toFloats();
    }
  }

  /** A picture without noise, as it stands in a context. */
  final class Picture implements Piece {
    private final float[] latents;
    private final int rows;
    private final int columns;

    /**
     * Keeps the latents.
     *
     * @param latents [C, y, x] float32, scaled
     * @param rows y
     * @param columns x
     */
    Picture(float[] latents, int rows, int columns) {
      this.latents = latents;
      this.rows = rows;
      this.columns = columns;
    }

    @Override
    public SpanLayout layout() {
      return TransfusionNetwork.this.layout(rows, columns);
    }

    @Override
    public void read(Batch batch) {
      try (Scope call = new Scope()) {
        call.add(
            script.call(
                "read",
                call.add(device.floats(latents, 1, config.latentChannels(), rows, columns)),
                batch.caches(),
                batch.span(),
                transformer.shape(),
                form,
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
