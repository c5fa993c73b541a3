package dev.diptych.core.engine;

/** Stands beside a script that multiplies by a weight as it was loaded. */
final class KernelFormTwin {}
