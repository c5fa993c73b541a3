package dev.diptych.models.janusflow;

import dev.diptych.core.diffusion.DiffusionStep;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.TorchDevice;
import dev.diptych.core.engine.TorchScript;
import dev.diptych.core.engine.Value;
import dev.diptych.models.deepseek.TimmSiglip;
import dev.diptych.models.denoising.Batch;
import dev.diptych.models.denoising.DenoisingTransformer;
import dev.diptych.models.denoising.NoiseTable;
import dev.diptych.models.denoising.Piece;
import dev.diptych.models.denoising.SpanLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * Pictures into the decoder and out of it. Every method is one native call unless it says otherwise.
 *
 * @see <a href="https://arxiv.org/abs/2411.07975">JanusFlow, §3.2</a>
 */
final class JanusFlowNetwork implements AutoCloseable {
  // The model is told times from 0 to 1000.
  private static final double TIME_SCALE = 1000;

  private final JanusFlowConfig config;
  private final DenoisingTransformer transformer;
  private final TorchDevice device;
  private final TorchScript script;
  private final Scope held;
  private final Value form;
  private final Value layers;
  private final Value headDim;
  private final Value eps;

  private JanusFlowNetwork(
      JanusFlowConfig config, DenoisingTransformer transformer, Scope held) {
    this.config = config;
    this.transformer = transformer;
    this.device = transformer.device();
    this.held = held;
    this.script = held.add(DenoisingTransformer.compile(device, JanusFlowNetwork.class));
    this.layers = held.add(device.of((long) config.vision().numHiddenLayers()));
    this.headDim = held.add(device.of((long) config.vision().headDim()));
    this.eps = held.add(device.of(TimmSiglip.LAYER_NORM_EPS));
    try (Scope call = new Scope()) {
      this.form =
          held.add(
              script.call(
                  "form",
                  call.add(device.of((long) config.encoder().stride())),
                  call.add(device.of((long) config.encoder().padding())),
                  call.add(device.of(config.encoder().normEps())),
                  call.add(device.of(config.velocity().normEps()))));
    }
  }

  /** Compiles the script; the weights are the transformer's. */
  static JanusFlowNetwork load(JanusFlowConfig config, DenoisingTransformer transformer) {
    Scope held = new Scope();
    try {
      return new JanusFlowNetwork(config, transformer, held);
    } catch (RuntimeException | Error e) {
      held.close();
      throw e;
    }
  }

  /**
   * {@return equal steps along the flow, from noise at 0 to the picture at 1}
   *
   * @param steps how many
   */
  static NoiseTable flow(int steps) {
    List<NoiseTable.Step> table = new ArrayList<>();
    for (int i = 0; i < steps; i++) {
      float[] row = new float[DiffusionStep.COLUMNS];
      // The picture at the flow's end, for previews; the step itself does not read it.
      row[0] = 1;
      row[1] = (float) (1 - (double) i / steps);
      row[2] = Float.MAX_VALUE;
      row[4] = 1;
      row[5] = (float) (1.0 / steps);
      table.add(new NoiseTable.Step((double) i / steps * TIME_SCALE, row, false));
    }
    return new NoiseTable(table);
  }

  /** {@return how the time and a drawing's rows stand behind words: causal, the time first} */
  SpanLayout layout() {
    return SpanLayout.led(1, config.tokens(), false);
  }

  /**
   * Takes a step along the flow.
   *
   * @param latents [N, C, y, x] float32
   * @param guidance weight of the first context beside the second
   * @return [N, C, y, x] float32
   */
  Value step(Value latents, NoiseTable.Step step, Batch batch, Value guidance) {
    try (Scope call = new Scope()) {
      return script.call(
          "step",
          latents,
          call.add(device.floats(step.row(), step.row().length)),
          call.add(time(step.time())),
          batch.caches(),
          batch.span(),
          transformer.shape(),
          guidance,
          form,
          transformer.weights());
    }
  }

  /** {@return a number that outlives a call} */
  Value number(double value) {
    return device.of(value);
  }

  private Value time(double time) {
    return device.floats(new float[] {(float) time}, 1);
  }

  /**
   * Says which way latents move in every context.
   *
   * @param latents [N, C, y, x] float32
   * @param time 0 to 1000
   * @return [G * N * C * y * x] float32
   */
  float[] outputs(Value latents, double time, Batch batch) {
    return call("outputs", latents, time, batch);
  }

  /** {@return the rows of the pictures in every context, [G * N * P * D] float32} */
  float[] hiddenStates(Value latents, double time, Batch batch) {
    return call("hidden_states", latents, time, batch);
  }

  private float[] call(String method, Value latents, double time, Batch batch) {
    try (Scope call = new Scope()) {
      return call.add(
              script.call(
                  method,
                  latents,
                  call.add(time(time)),
                  batch.caches(),
                  batch.span(),
                  transformer.shape(),
                  form,
                  transformer.weights()))
          .toFloats();
    }
  }

  /**
   * Says what the language model reads of a picture; two native calls.
   *
   * @param pixelValues [1, 3, Y, X] float32, normalised
   * @return [(P + 1) * D] float32
   */
  float[] understood(float[] pixelValues) {
    int side = config.vision().imageSize();
    try (Scope call = new Scope()) {
      Value rows =
          call.add(
              script.call(
                  "understood",
                  call.add(device.floats(pixelValues, 1, 3, side, side)),
                  layers,
                  headDim,
                  eps,
                  transformer.weights()));
      return call.add(script.call("to_float", rows)).toFloats();
    }
  }

  /** A picture as it stands in a conversation: what begins it, and its tokens. */
  final class Picture implements Piece {
    private final float[] pixelValues;

    /**
     * Keeps the pixels.
     *
     * @param pixelValues [3, Y, X] float32, normalised
     */
    Picture(float[] pixelValues) {
      this.pixelValues = pixelValues;
    }

    @Override
    public SpanLayout layout() {
      return SpanLayout.words(1 + config.tokens());
    }

    @Override
    public void read(Batch batch) {
      int side = config.vision().imageSize();
      try (Scope call = new Scope()) {
        call.add(
            script.call(
                "read",
                call.add(device.floats(pixelValues, 1, 3, side, side)),
                batch.caches(),
                batch.span(),
                transformer.shape(),
                layers,
                headDim,
                eps,
                transformer.weights()));
      }
    }
  }

  @Override
  public void close() {
    held.close();
  }
}
