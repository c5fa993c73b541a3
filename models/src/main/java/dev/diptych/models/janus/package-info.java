/**
 * Janus and Janus-Pro.
 *
 * <p><b>Where to look.</b> {@code JanusModel} is the model; {@code JanusSession} a conversation;
 * {@code JanusDrawer} the drawing loop; {@code JanusTransformer} with its script the neural part;
 * {@code JanusConfig} and {@code JanusWeights} the files. What goes in is {@code ChatPrompt} and
 * {@code ChatImageProcessor} of {@code models.deepseek}.
 *
 * <p><b>Decisions.</b> One script with the HF-native names serves both layouts: the original's names
 * are turned into them where they are bound, and its fused attention weights are read as row slices.
 * The sizes that the original layout does not tell are read off the tensors' shapes.
 */
package dev.diptych.models.janus;
