package dev.diptych.models.monoformer;

import dev.diptych.core.engine.WeightLoader.Slice;
import dev.diptych.core.weights.Weights;
import dev.diptych.models.denoising.DecoderWeights;
import java.util.Map;
import java.util.function.UnaryOperator;

/**
 * Binds the tensors by the names of MonoFormer/MonoFormer@8087266, models/monoformer.py, where the
 * decoder has those of HF Llama. The time's two matrices get the names that {@code core.nn.diffusion}
 * knows.
 */
final class MonoFormerWeights {
  /** Width of the sinusoid by which the model is told the time. */
  static final int TIME_FREQUENCIES = 256;

  private final Weights weights;
  private final Map<String, Slice> slices;

  private MonoFormerWeights(Weights weights, Map<String, Slice> slices) {
    this.weights = weights;
    this.slices = slices;
  }

  /** {@return where every tensor that the scripts ask for is found} */
  static Map<String, Slice> bind(Weights weights, MonoFormerConfig config) {
    Map<String, Slice> slices =
        DecoderWeights.bind(weights, config.decoder(), UnaryOperator.identity());
    MonoFormerWeights binding = new MonoFormerWeights(weights, slices);
    binding.pictures(config);
    weights.ignore("lm_head.weight", "no words are written");
    weights.ignore("vision_encoder.*", "no pictures are read");
    weights.ignore("im_embedder.*", "no pictures are read");
    return slices;
  }

  private void pictures(MonoFormerConfig config) {
    long d = config.decoder().hiddenSize();
    long patch = (long) config.patchSize() * config.patchSize();
    linear("x_embedder", "x_embedder", d, config.inChannels() * patch);
    linear("t_embedder.linear_1", "t_embedder.mlp.0", d, TIME_FREQUENCIES);
    linear("t_embedder.linear_2", "t_embedder.mlp.2", d, d);
    switch (config.timeEmbedding()) {
      case ADALN_BEFORE_DECODER -> linear("adaLN_module.1", "adaLN_module.1", 2 * d, d);
      case ADD_BEFORE_IMAGE_TOKENS -> {
        linear("t_projector.0", "t_projector.0", d, d);
        linear("t_projector.2", "t_projector.2", d, d);
      }
    }
    if (config.adaptiveFinalLayer()) {
      String name = "final_layer.adaLN_modulation.1";
      linear(name, name, 2 * d, d);
    } else {
      linear("final_layer.mlp.1", "final_layer.mlp.1", d, d);
    }
    linear("final_layer.linear", "final_layer.linear", config.outputSize(), d);
  }

  private void linear(String name, String stored, long outputs, long inputs) {
    slices.put(name + ".weight", Slice.of(weights.require(stored + ".weight", outputs, inputs)));
    slices.put(name + ".bias", Slice.of(weights.require(stored + ".bias", outputs)));
  }
}
