/**
 * Checkpoints as published: safetensors, PyTorch state dicts and their JSON files.
 *
 * <p><b>Purpose.</b> Turn files that came from the network into tensors of known name, type and
 * shape, or into an error that says what is wrong with which file. A {@link
 * dev.diptych.core.weights.Checkpoint} knows files; {@link dev.diptych.core.weights.Weights} knows
 * what a model asked of them; {@link dev.diptych.core.weights.JsonMap} asks config.json for values
 * by type and range.
 *
 * <p><b>Decisions.</b>
 *
 * <ul>
 *   <li>The safetensors reader is our own: DJL's cannot hold shards of 2 GiB and copies through the
 *       heap. It gives the verdict of the format's own library on every file of a recorded list,
 *       except that duplicate keys are refused: a header that two readers understand differently
 *       hides something.
 *   <li>Sizes are checked before anything is allocated, with the limits of real models (a header of
 *       32 MiB, 100,000 tensors, a pickle of 16 MiB), not those of the formats.
 *   <li>Two ways to the data: {@code map} costs no memory, {@code read} survives a file that is cut
 *       meanwhile. The choice is the caller's. Both are limited to 2 GiB a piece, as Java's buffers
 *       are; rows of larger tensors can be taken.
 *   <li>PyTorch files are read because checkpoints are published only so. Pickle is a language for
 *       calling functions; here it is a list of some thirty instructions that build a dictionary,
 *       and names of Python objects are compared with a list of strings. A list of what is
 *       forbidden would always be a gap behind. TorchScript archives are programs and never run.
 *   <li>The checksum of a storage is compared once, before its first byte is handed out, and not at
 *       opening: listing a checkpoint of many GB stays instant, and what is read for the checksum
 *       is what the model reads next.
 *   <li>Links are followed for the files that a folder names itself, because people arrange their
 *       disks with them; a name that an index gives must stay in the folder (or in the blobs of the
 *       Hugging Face cache, which is made of links).
 * </ul>
 *
 * <p>GGUF and other containers are refused by name; a reader for one would come as another
 * implementation of the package-private {@code TensorFile}.
 */
package dev.diptych.core.weights;
