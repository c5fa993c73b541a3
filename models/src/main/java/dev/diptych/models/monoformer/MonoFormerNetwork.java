package dev.diptych.models.monoformer;

import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.TorchDevice;
import dev.diptych.core.engine.TorchScript;
import dev.diptych.core.engine.Value;
import dev.diptych.models.denoising.Batch;
import dev.diptych.models.denoising.DenoisingTransformer;
import dev.diptych.models.denoising.NoiseTable;

/**
 * Latents into the decoder, epsilon and variance out of it. Every method is one native call unless
 * it says otherwise.
 *
 * @see <a href="https://arxiv.org/abs/2409.16280">MonoFormer, §3</a>
 */
final class MonoFormerNetwork implements AutoCloseable {
  private final DenoisingTransformer transformer;
  private final TorchDevice device;
  private final TorchScript script;
  private final Value patch;

  private MonoFormerNetwork(
      MonoFormerConfig config, DenoisingTransformer transformer, TorchScript script) {
    this.transformer = transformer;
    this.device = transformer.device();
    this.script = script;
    if (config.positionTable()) {
      long side = config.latentSize() / config.patchSize();
      try (Scope call = new Scope()) {
        call.add(script.call("prepare", transformer.weights(), call.add(device.of(side))));
      }
    }
    this.patch = device.of((long) config.patchSize());
  }

  /** Compiles the script and makes the table of positions; the weights are the transformer's. */
  static MonoFormerNetwork load(MonoFormerConfig config, DenoisingTransformer transformer) {
    TorchScript script =
        DenoisingTransformer.compile(transformer.device(), MonoFormerNetwork.class);
    try {
      return new MonoFormerNetwork(config, transformer, script);
    } catch (RuntimeException | Error e) {
      script.close();
      throw e;
    }
  }

  /**
   * Takes a step of denoising.
   *
   * @param latents [N, C, y, x] float32
   * @param noise [N, C, y, x] float32; a noisy step leaves in it what was added by the row's measure
   * @param batch of the prompt, and of the empty prompt where there is guidance
   * @return [N, C, y, x] float32, less noisy
   */
  Value step(Value latents, Value noise, NoiseTable.Step step, Batch batch, double guidance) {
    try (Scope call = new Scope()) {
      return script.call(
          "step",
          latents,
          noise,
          call.add(device.of(step.noisy())),
          call.add(device.floats(step.row(), step.row().length)),
          call.add(device.of(step.time())),
          call.add(device.of(guidance)),
          patch,
          batch.caches(),
          batch.span(),
          transformer.shape(),
          transformer.weights());
    }
  }

  /**
   * Says what the model says of noisy latents in every context; two native calls.
   *
   * @param latents [N, C, y, x] float32, row by row
   * @param shape its sides
   * @return [G * N * 2C * y * x] float32, epsilon and what tells the variance
   */
  float[] outputs(float[] latents, long[] shape, double time, Batch batch) {
    try (Scope call = new Scope()) {
      return outputs(call, latents, shape, time, batch).toFloats();
    }
  }

  /**
   * Says what the model says of noisy latents with guidance; three native calls.
   *
   * @return [N * 2C * y * x] float32
   */
  float[] guided(float[] latents, long[] shape, double time, Batch batch, double guidance) {
    try (Scope call = new Scope()) {
      Value output = outputs(call, latents, shape, time, batch);
      return call.add(script.call("guided", output, call.add(device.of(guidance)))).toFloats();
    }
  }

  private Value outputs(Scope call, float[] latents, long[] shape, double time, Batch batch) {
    return call.add(
        script.call(
            "outputs",
            call.add(device.floats(latents, shape)),
            call.add(device.of(time)),
            patch,
            batch.caches(),
            batch.span(),
            transformer.shape(),
            transformer.weights()));
  }

  @Override
  public void close() {
    try (script) {
      patch.close();
    }
  }
}
