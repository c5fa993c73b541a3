/**
 * BAGEL: a mixture of two transformers that reads words and pictures with the one and draws latents
 * with the other, both attending to the same keys and values.
 *
 * <p>Decisions. Pictures that stand in a context are encoded to the mean of what the VAE says of
 * them, where the reference draws from it: one picture is one context, whatever the seed, and a
 * conversation that goes on reads it once. A conversation keeps what was said and drawn; a context
 * for drawing has every picture twice, as latents and as the vision tower sees it, one for answering
 * has the latter alone, so that the two are two caches, each read as far as it is asked for. Sizes
 * that the reference's program has in its text (pixels of the two ways that pictures go) follow from
 * the tables of positions in the checkpoint, of which they are the published figures.
 */
package dev.diptych.models.bagel;
