package dev.diptych.core.engine;

/** Stands beside a script that gives back the weights it was given. */
final class WeightReading {}
