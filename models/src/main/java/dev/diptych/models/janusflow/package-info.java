/**
 * JanusFlow.
 *
 * <p><b>Where to look.</b> {@code JanusFlowModel} is the model; {@code JanusFlowSession} a
 * conversation; {@code JanusFlowNetwork} with its script how pictures go into the decoder of {@code
 * models.denoising} and come out of it; {@code JanusFlowConfig} and {@code JanusFlowWeights} the
 * files; {@code JanusFlowCoder} the VAE that is published apart.
 *
 * <p><b>Decisions.</b> The unconditional row of guidance is computed without the words that the
 * reference computes and then hides: nothing sees them. The last token of a drawing's prompt is never
 * read, for the time stands in its place; so it does not matter that the authors' two programs put
 * different ones there. The encoder of latents runs once for both rows of guidance, which differ in
 * their words alone.
 */
package dev.diptych.models.janusflow;
