/**
 * MonoFormer: a Llama whose patches of a picture see each other and tell the noise in them, as its
 * authors publish it for the classes of ImageNet.
 *
 * <p><b>Where to look.</b> {@code MonoFormerModel} is the way in; {@code MonoFormerFiles} and {@code
 * MonoFormerConfig} read the folder; {@code MonoFormerPrompt} lays out what is drawn; {@code
 * MonoFormerWeights} binds the tensors under the names that {@code dev.diptych.models.denoising}
 * computes with; {@code MonoFormerNetwork} with its script turns latents into rows and rows into
 * epsilon; {@code MonoFormerSession} takes the steps; {@code MonoFormerCoder} makes pixels.
 *
 * <p><b>Decisions.</b> It draws and does nothing else: the published weights were trained for no
 * words, so their language head is left out of memory. Of the ways in which the authors tell the time,
 * two can be computed by their code; the others add vectors of different widths there and are refused
 * by name.
 */
package dev.diptych.models.monoformer;
