/**
 * What the models share that write words token by token and denoise pictures between them
 * (Transfusion, LMFusion, BAGEL, MonoFormer, JanusFlow): one decoder, one kind of context, one loop.
 *
 * <p><b>How a family plugs in.</b> Its own script puts pictures into rows of embeddings, calls {@code
 * __torch__.models.denoising.decoder.layers} and turns the rows that {@code decoder.picture} gives
 * back into latents; one method of it is one step of denoising, from the noisy latents to less noisy
 * ones. A Java class beside the script compiles it with {@link
 * dev.diptych.models.denoising.DenoisingTransformer#compile} and calls it with what {@link
 * dev.diptych.models.denoising.Batch} holds. Tensors carry the names of HF Llama, whatever the file
 * calls them; {@link dev.diptych.models.denoising.DecoderWeights} binds them. Everything in words is
 * the transformer's own.
 *
 * <p><b>Decisions.</b> A {@link dev.diptych.models.denoising.Context} is read span by span, and what
 * it holds is frozen. A noisy picture is written behind its end and never kept: the next step writes
 * over it. Contexts of different lengths are computed as one batch, each with a cache of its own, so
 * nothing is padded and no position has to be hidden; where a reference hides positions of an
 * unconditional row, the context simply lacks them and {@linkplain
 * dev.diptych.models.denoising.Context#skip skips} their places.
 */
package dev.diptych.models.denoising;
