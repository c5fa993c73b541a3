/**
 * Checkpoints as published: safetensors, PyTorch state dicts and their JSON files.
 *
 * <p><b>Purpose.</b> Turn files that came from the network into tensors of known name, type and
 * shape, or into an error that says what is wrong with which file. A {@link
 * dev.diptych.core.weights.Checkpoint} knows files; {@link dev.diptych.core.weights.Weights} knows
 * what a model asked of them.
 *
 * <p><b>Decisions.</b> The safetensors reader is our own: DJL's cannot hold shards of 2 GiB and
 * copies through the heap. Sizes are checked before anything is allocated. Two ways to the data:
 * {@code map} costs no memory, {@code read} survives a file that is cut meanwhile; the choice is the
 * caller's. JSON is strict, and a duplicate key is an error, because a header that two readers
 * understand differently hides something.
 */
package dev.diptych.core.weights;
