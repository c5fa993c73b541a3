package dev.diptych.models.bagel;

import dev.diptych.core.DType;
import dev.diptych.core.GuidanceRenorm;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.TorchDevice;
import dev.diptych.core.engine.TorchScript;
import dev.diptych.core.engine.Value;
import dev.diptych.core.engine.WeightLoader;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.models.denoising.Batch;
import dev.diptych.models.denoising.DecoderWeights;
import dev.diptych.models.denoising.DenoisingTransformer;
import dev.diptych.models.denoising.NoiseTable;
import dev.diptych.models.denoising.WordVocabulary;
import java.util.Arrays;
import java.util.Map;

/**
 * The neural part of BAGEL but for the VAE: the shared decoder with both sets of weights, the vision
 * tower, and what stands between latents and the decoder. Holds the weights and nothing that
 * changes. Every method is one native call unless it says otherwise.
 */
final class BagelTransformer implements AutoCloseable {
  private final BagelConfig config;
  private final DenoisingTransformer decoder;
  private final TorchScript script;
  private final Scope held;
  private final Value frame;
  private final Value latentSide;
  private final Value visionSide;
  private final Value visionPatch;
  private final Value visionLayers;
  private final Value visionHeadDim;
  private final Value visionEps;

  private BagelTransformer(
      BagelConfig config, DenoisingTransformer decoder, TorchScript script, Value frame) {
    this.config = config;
    this.decoder = decoder;
    this.script = script;
    this.frame = frame;
    TorchDevice device = decoder.device();
    this.held = new Scope();
    held.add(decoder);
    held.add(script);
    held.add(frame);
    BagelConfig.Vision c = config.vision();
    this.latentSide = held.add(device.of((long) config.maxLatentSize()));
    this.visionSide = held.add(device.of((long) config.maxVisionPatches()));
    this.visionPatch = held.add(device.of((long) c.patchSize()));
    this.visionLayers = held.add(device.of((long) c.numHiddenLayers()));
    this.visionHeadDim = held.add(device.of((long) c.headDim()));
    this.visionEps = held.add(device.of(c.layerNormEps()));
  }

  /**
   * Compiles the scripts and loads the weights; several native calls.
   *
   * @param beginOfImage token before every picture
   * @param endOfImage token behind every picture
   */
  static BagelTransformer load(
      BagelConfig config,
      WordVocabulary vocabulary,
      int beginOfImage,
      int endOfImage,
      DType dtype,
      TorchDevice device,
      Checkpoint checkpoint,
      Map<String, WeightLoader.Slice> slices) {
    Scope onFailure = new Scope();
    try (Scope call = new Scope()) {
      TorchScript script =
          onFailure.add(DenoisingTransformer.compile(device, BagelTransformer.class));
      Value ids = call.add(device.longs(new int[] {beginOfImage, endOfImage}, 2));
      Value frame = onFailure.add(script.call("frame", ids));
      Value weights =
          WeightLoader.load(device, checkpoint, slices, dtype, DecoderWeights::quantises);
      DenoisingTransformer decoder =
          onFailure.add(
              DenoisingTransformer.load(
                  BagelWeights.decoder(config), vocabulary, dtype, device, weights));
      return new BagelTransformer(config, decoder, script, frame);
    } catch (RuntimeException | Error e) {
      onFailure.close();
      throw e;
    }
  }

  DenoisingTransformer decoder() {
    return decoder;
  }

  /**
   * Reads a picture with the vision tower and writes its keys and values.
   *
   * @param picture prepared for the tower
   * @param batch of one context
   * @return [1, P + 2, D] after the last layer
   */
  Value readVision(BagelImageProcessor.Prepared picture, Batch batch) {
    try (Value pixels =
        decoder.device().floats(picture.pixelValues(), 3, picture.height(), picture.width())) {
      return script.call(
          "read_vision",
          pixels,
          visionPatch,
          visionSide,
          visionLayers,
          visionHeadDim,
          visionEps,
          frame,
          batch.caches(),
          batch.span(),
          decoder.shape(),
          decoder.weights());
    }
  }

  /** {@return [1, P, Dv] float32, what the tower says of a picture; two native calls} */
  Value visionModel(BagelImageProcessor.Prepared picture) {
    try (Value pixels =
            decoder.device().floats(picture.pixelValues(), 3, picture.height(), picture.width());
        Value features =
            script.call(
                "vision_model",
                pixels,
                visionPatch,
                visionSide,
                visionLayers,
                visionHeadDim,
                visionEps,
                decoder.weights())) {
      return script.call("to_float", features);
    }
  }

  /** {@return [1, P, D] float32, what the decoder reads of the tower's features; two native calls} */
  Value connect(Value features, int rows, int columns) {
    TorchDevice device = decoder.device();
    try (Value y = device.of((long) rows);
        Value x = device.of((long) columns);
        Value found = script.call("connect", features, y, x, visionSide, decoder.weights())) {
      return script.call("to_float", found);
    }
  }

  /**
   * Reads latents without noise and writes their keys and values.
   *
   * @param cells [y, x, W] float32
   * @param batch of one context
   * @return [1, P + 2, D] after the last layer
   */
  Value readLatents(float[] cells, int rows, int columns, Batch batch) {
    try (Value x =
        decoder.device().floats(cells, 1, rows, columns, config.latentWidth())) {
      return script.call(
          "read_latents",
          x,
          latentSide,
          frame,
          batch.caches(),
          batch.span(),
          decoder.shape(),
          decoder.weights());
    }
  }

  /** {@return [1, T, D] float32, every row of a span after its own final norm} */
  Value normed(Value hidden, Batch batch) {
    return script.call("normed", hidden, batch.span(), decoder.shape(), decoder.weights());
  }

  /**
   * How guidance weighs.
   *
   * @param text weight of the last words, above 1 where there is guidance
   * @param image weight of the pictures, above 1 where they guide too
   * @param renorm how predictions are kept from growing
   */
  record Guidance(double text, double image, GuidanceRenorm renorm) {}

  /** The steps of one drawing, as native values; made once a request. */
  final class Steps implements AutoCloseable {
    private final Scope scope = new Scope();
    private final NoiseTable table;
    private final Value how;
    private final Value guided;
    private final Value alone;
    private final boolean[] guides;
    private final Batch batch;

    /**
     * Prepares the steps.
     *
     * @param guides of every step, whether guidance counts
     * @param groups which context of the batch has everything, which lacks the last words, which the
     *     pictures; the first alone where nothing guides
     */
    Steps(NoiseTable table, boolean[] guides, Guidance guidance, int[] groups, Batch batch) {
      this.table = table;
      this.guides = guides.clone();
      this.batch = batch;
      TorchDevice device = decoder.device();
      try (Scope call = new Scope()) {
        how =
            scope.add(
                script.call(
                    "how",
                    call.add(device.of(guidance.text())),
                    call.add(device.of(guidance.image())),
                    call.add(device.of((long) guidance.renorm().kind().ordinal())),
                    call.add(device.of(guidance.renorm().minimum()))));
        long[] all = new long[groups.length];
        Arrays.setAll(all, i -> groups[i]);
        guided = scope.add(device.ints(all));
        alone = scope.add(device.ints(new long[] {groups[0]}));
      }
    }

    /** {@return [N, y, x, W] float32, the latents after a step} */
    Value take(Value x, int index) {
      NoiseTable.Step step = table.steps().get(index);
      TorchDevice device = decoder.device();
      try (Value time = device.of(step.time());
          Value row = device.floats(step.row(), step.row().length)) {
        return script.call(
            "step",
            x,
            time,
            row,
            guides[index] ? guided : alone,
            how,
            latentSide,
            frame,
            batch.caches(),
            batch.span(),
            decoder.shape(),
            decoder.weights());
      }
    }

    /** {@return [N, y, x, W] float32, where the model says that the noise lies, at a step} */
    Value velocity(Value x, int index) {
      try (Value time = decoder.device().of(table.steps().get(index).time())) {
        return script.call(
            "velocity",
            x,
            time,
            guides[index] ? guided : alone,
            how,
            latentSide,
            frame,
            batch.caches(),
            batch.span(),
            decoder.shape(),
            decoder.weights());
      }
    }

    @Override
    public void close() {
      scope.close();
    }
  }

  @Override
  public void close() {
    held.close();
  }
}
