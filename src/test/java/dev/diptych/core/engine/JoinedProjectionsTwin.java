package dev.diptych.core.engine;

/** Stands beside a script that takes joined projections, and the same ones apart. */
final class JoinedProjectionsTwin {}
