/**
 * Chameleon, Anole and Lumina-mGPT.
 *
 * <p><b>Where to look.</b> {@code ChameleonImageProcessor} and {@code LuminaImageProcessor} make
 * the coder's input of a picture.
 */
package dev.diptych.models.chameleon;
