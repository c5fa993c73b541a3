/**
 * How a picture is made out of noise: the steps, and nothing of the model that is asked at each.
 *
 * <p><b>Decisions.</b> One algorithm a class. The caller owns the loop and counts the steps; a
 * scheduler is a table that never changes, so any number of threads may read it. A step is linear
 * in what it mixes but for one clip, so the same few coefficients serve a loop in Java and a script
 * that takes them as a tensor. Noise comes from the caller ({@link dev.diptych.core.NormalNoise}).
 *
 * <p>Coefficients are computed as the reference of a checkpoint computed them ({@link
 * dev.diptych.core.diffusion.TablePrecision}): one minus a ratio near one loses four digits in
 * float32, and a table in float64 would differ from diffusers' in those.
 */
package dev.diptych.core.diffusion;
