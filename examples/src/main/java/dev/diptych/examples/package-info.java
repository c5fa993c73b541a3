/**
 * Recipes: one task a file, each a program that runs on the embedded demo model without an argument.
 */
package dev.diptych.examples;
