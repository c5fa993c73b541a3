package dev.diptych.core.engine;
final class WeightLoader {}
