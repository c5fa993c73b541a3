package dev.diptych.models.denoising;

/** Stands beside a script that reads whole sequences of words and pictures. */
final class MixedSequence {}
