/**
 * Emu3.
 *
 * <p><b>Where to look.</b> {@code Emu3ImageProcessor} makes the coder's input of a picture.
 */
package dev.diptych.models.emu3;
