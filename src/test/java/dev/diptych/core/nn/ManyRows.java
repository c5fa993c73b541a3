package dev.diptych.core.nn;

/** Stands beside a script that normalises many rows. */
final class ManyRows {}
