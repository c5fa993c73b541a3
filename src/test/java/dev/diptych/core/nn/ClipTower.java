package dev.diptych.core.nn;

/** Stands beside a script that calls CLIP's tower. */
final class ClipTower {}
