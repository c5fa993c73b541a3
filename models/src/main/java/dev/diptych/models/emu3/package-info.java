/**
 * Emu3: one stream of words and image codes, in the layout of transformers.
 *
 * <p><b>Where to look.</b> {@code Emu3Model} is the way in and says what each checkpoint does;
 * {@code Emu3Files} and {@code Emu3Config} read the folder; {@code Emu3Vocabulary} tells words from
 * codes; {@code Emu3Prompt} lays out what a user says and how a picture stands in it; {@code
 * Emu3Weights} binds the tensors under the names that {@code dev.diptych.models.discrete} computes
 * with; {@code Emu3ImageProcessor} and {@code Emu3Coder} stand between pixels and codes. What
 * happens token by token is in {@code dev.diptych.models.discrete}.
 */
package dev.diptych.models.emu3;
