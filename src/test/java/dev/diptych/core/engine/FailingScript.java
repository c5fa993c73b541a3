package dev.diptych.core.engine;

/** Stands beside a script that fails when it runs. */
final class FailingScript {}
