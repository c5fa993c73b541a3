/**
 * What the encoder and the decoder of a KL coder share: sizes, tensors' names, and their pieces.
 *
 * <p><b>Decisions.</b> Encoder and decoder are two graphs in two modules, as those of {@link
 * dev.diptych.core.vq}: a model that only draws needs no encoder. Names differ by checkpoint,
 * structure does not, so a {@link dev.diptych.core.vae.VaeLayout} is a table of names. All is
 * computed in float32 whatever the file holds: SDXL's decoder overflows float16 ({@code
 * force_upcast}).
 *
 * <p>Both run at any size, which {@link dev.diptych.core.vq}'s decoder does not: with SDXL's sizes
 * and 256 x 256 pixels a graph of one size took the same processor time, 3.8 seconds of one core.
 */
package dev.diptych.core.vae;
