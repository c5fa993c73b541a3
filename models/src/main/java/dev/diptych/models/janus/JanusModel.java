package dev.diptych.models.janus;
public final class JanusModel {}
