/**
 * What the systems of deepseek-ai/Janus have in common: how a conversation is laid out, how a
 * picture is prepared, and the SigLIP tower that reads it.
 *
 * <p><b>Decisions.</b> No neural part is here: the tower itself is a script of {@code core.nn}.
 */
package dev.diptych.models.deepseek;
