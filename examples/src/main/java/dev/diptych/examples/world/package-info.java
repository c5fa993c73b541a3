/**
 * The synthetic picture world of the demo models: scenes, their pixels, words and stories, and a
 * reader that judges a picture from its pixels alone.
 *
 * <p>Decisions. The rules (combinations held out of training, pixels, caption form) are those of
 * {@code examples/training/world.py}; golden files written there prove that both sides agree.
 * {@link dev.diptych.examples.world.SceneReader} shares nothing with the renderer but the palette
 * and the sizes: it fits shapes from their outlines, so a mistake in one cannot hide in the other.
 */
package dev.diptych.examples.world;
