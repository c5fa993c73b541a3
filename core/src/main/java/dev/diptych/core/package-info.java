/**
 * The public face: a model, its sessions, a request, an answer.
 *
 * <p><b>The letters of shapes</b>, the same everywhere: {@code B} batch, {@code T} sequence
 * positions, {@code S} cached positions, {@code D} hidden size, {@code H} query heads, {@code G}
 * key-value heads, {@code K} head dim, {@code F} intermediate size, {@code V} vocabulary, {@code N}
 * images, {@code P} image tokens per image, {@code C} channels, {@code Y} and {@code X} pixel rows
 * and columns, {@code y} and {@code x} latent rows and columns, {@code E} codebook entries, {@code
 * L} layers.
 *
 * <p><b>Decisions.</b> A model never changes and is shared; a session changes and is not. The
 * request carries the variety, so the interfaces stay small: what a model cannot do is refused by
 * its {@link dev.diptych.core.Capabilities}, not by methods that throw. Options that are left open
 * are filled in by the model, because published checkpoints carry defaults of their own.
 */
package dev.diptych.core;
