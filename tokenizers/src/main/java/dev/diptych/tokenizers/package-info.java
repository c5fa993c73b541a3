/**
 * Media to what a backbone eats: text to token ids and back, picture files to pixels to normalised
 * values.
 *
 * <p><b>Decisions on text.</b>
 *
 * <ul>
 *   <li>Text and control tokens are encoded apart. {@code TextTokenizer.encodeText} has no way to a
 *       control id, so no prompt needs escaping; templates put control tokens in by id.
 *   <li>Native code (Hugging Face tokenizers 0.21.4, through DJL's JNI) encodes, because every
 *       published tokenizer.json was made by it. It never sees the file: it aborts the process over
 *       crafted ones, so it is given JSON written from what was checked. What cannot be checked is
 *       refused: {@code Precompiled} character maps (T5's), expressions that may backtrack without
 *       end. A reader of those maps in Java would reopen this.
 *   <li>Decoding is Java: streaming text token by token from the native decoder would decode the
 *       whole answer again for every token.
 * </ul>
 */
package dev.diptych.tokenizers;
