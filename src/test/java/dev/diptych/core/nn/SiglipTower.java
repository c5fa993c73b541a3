package dev.diptych.core.nn;

/** Stands beside a script that writes a SigLIP block out a second time. */
final class SiglipTower {}
