/**
 * What a VQ picture tokenizer and its decoder share: their sizes and their tensors' names.
 *
 * <p><b>Decisions.</b> Encoder and decoder are two graphs in two modules, because a model that only
 * draws needs no encoder; both are built from {@link dev.diptych.core.vq.VqConfig}, and their
 * blocks are those of {@link dev.diptych.core.nn.ConvBlocks}. Names differ by checkpoint, structure
 * does not, so a layout is a table of names and not a class of its own. An encoder runs at any
 * size, a decoder at one: decoding is the longer work, and ONNX Runtime fuses more where sizes are
 * known.
 *
 * <p>Emu3's coder ({@link dev.diptych.core.vq.Emu3VqConfig}) has norms, attention and convolutions
 * in time of its own, so it is a second pair of graphs and no third table of names; what its
 * decoder draws is handled by the same class as all others.
 */
package dev.diptych.core.vq;
