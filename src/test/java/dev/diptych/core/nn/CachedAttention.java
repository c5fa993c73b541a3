package dev.diptych.core.nn;

/** Stands beside a script that reads a sequence piece by piece. */
final class CachedAttention {}
