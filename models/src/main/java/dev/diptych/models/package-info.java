/** The way in, and one package for each published family. Families do not know each other. */
package dev.diptych.models;
