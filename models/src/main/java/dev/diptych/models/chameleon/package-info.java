/**
 * Chameleon, Anole and Lumina-mGPT: one transformer over words and image codes.
 *
 * <p><b>Where to look.</b> {@code ChameleonFiles} opens a checkpoint in any published layout;
 * {@code ChameleonConfig} has its sizes, {@code ChameleonVocabulary} its tokens, {@code
 * ChameleonWeights} its tensors; {@code ChameleonPrompt} is what goes in; {@code
 * ChameleonImageProcessor} and {@code LuminaImageProcessor} make the coder's input of a picture;
 * {@code ChameleonFamily} and {@code LuminaFamily} are what the shared session asks for.
 *
 * <p><b>Decisions.</b> Ids are told by names, never written down: the published numbers hold for
 * one vocabulary only. Meta's shards and a picture coder from elsewhere become one checkpoint whose
 * names have a prefix, so that everything missing or unknown is told at once.
 */
package dev.diptych.models.chameleon;
