package dev.diptych.models.transfusion;

import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.TorchDevice;
import dev.diptych.core.engine.TorchScript;
import dev.diptych.models.denoising.Batch;
import dev.diptych.models.denoising.DenoisingTransformer;
import dev.diptych.models.denoising.SpanLayout;
import java.util.List;

/** Stands beside a script that gives the logits of every word of a sequence. */
final class AllLogits {
  private AllLogits() {}

  /** {@return [T * V] float32} */
  static float[] of(DenoisingTransformer transformer, int[] ids) {
    TorchDevice device = transformer.device();
    try (Scope scope = new Scope()) {
      TorchScript script = scope.add(DenoisingTransformer.compile(device, AllLogits.class));
      DenoisingTransformer.Cache cache = scope.add(transformer.newCache(1, ids.length));
      Batch batch =
          scope.add(
              transformer.batch(
                  List.of(cache), new int[] {0}, new int[] {0}, SpanLayout.words(ids.length)));
      return scope
          .add(
              script.call(
                  "logits",
                  scope.add(device.longs(ids, 1, ids.length)),
                  batch.caches(),
                  batch.span(),
                  transformer.shape(),
                  transformer.weights()))
          .toFloats();
    }
  }
}
