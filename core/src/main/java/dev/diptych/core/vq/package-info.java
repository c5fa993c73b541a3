/**
 * What a VQ picture tokenizer and its decoder share: their sizes and their tensors' names.
 *
 * <p><b>Decisions.</b> Encoder and decoder are two graphs in two modules, because a model that only
 * draws needs no encoder; both are built from {@link dev.diptych.core.vq.VqConfig}, and their blocks
 * are those of {@link dev.diptych.core.nn.ConvBlocks}. Names differ by checkpoint, structure does
 * not, so a layout is a table of names and not a class of its own.
 */
package dev.diptych.core.vq;
