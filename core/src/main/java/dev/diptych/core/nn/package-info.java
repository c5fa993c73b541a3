/**
 * The parts that papers share by name, as TorchScript functions: norms, rotary positions, cached
 * attention, sampling. What a paper draws in its own figure is written in that model's script.
 */
package dev.diptych.core.nn;
