/**
 * What the models share whose pictures are words of their own vocabulary (Chameleon, Anole,
 * Lumina-mGPT, Emu3): one transformer, one switch between the modalities, one session.
 *
 * <p><b>Decisions.</b> A family says how it lays out a prompt and what may follow what inside a
 * picture; everything that happens token by token is here. Tensors carry the names of the HF-native
 * layout, {@code model.layers.0.self_attn.q_proj.weight}, whatever the file calls them.
 */
package dev.diptych.models.discrete;
