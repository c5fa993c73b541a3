package dev.diptych.examples.cli;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Names and shapes of tensors, in the order in which they are added. */
final class ShapeTensors {
  private final Map<String, long[]> shapes = new LinkedHashMap<>();

  void add(String name, long... shape) {
    shapes.put(name, shape);
  }

  void linear(String name, long outputs, long inputs) {
    add(name + ".weight", outputs, inputs);
    add(name + ".bias", outputs);
  }

  void norm(String name, long... size) {
    add(name + ".weight", size);
    add(name + ".bias", size);
  }

  void conv(String name, long outputs, long inputs, long kernel) {
    add(name + ".weight", outputs, inputs, kernel, kernel);
    add(name + ".bias", outputs);
  }

  /** A Llama's layer, without what a family adds to it. */
  void llamaLayer(String layer, long hidden, long intermediate) {
    add(layer + "input_layernorm.weight", hidden);
    for (String name : List.of("q_proj", "k_proj", "v_proj", "o_proj")) {
      add(layer + "self_attn." + name + ".weight", hidden, hidden);
    }
    add(layer + "post_attention_layernorm.weight", hidden);
    add(layer + "mlp.gate_proj.weight", intermediate, hidden);
    add(layer + "mlp.up_proj.weight", intermediate, hidden);
    add(layer + "mlp.down_proj.weight", hidden, intermediate);
  }

  /** {@return all of them} */
  Map<String, long[]> shapes() {
    return Collections.unmodifiableMap(shapes);
  }
}
