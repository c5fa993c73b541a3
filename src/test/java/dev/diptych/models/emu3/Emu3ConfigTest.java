package dev.diptych.models.emu3;

import static org.assertj.core.api.Assertions.assertThat;

import dev.diptych.core.weights.JsonMap;
import dev.diptych.models.discrete.TransformerConfig;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

/** The sparse files of the published folders, which leave out what is the class's default. */
class Emu3ConfigTest {
  private static Emu3Config read(String members) {
    String json =
        "{\"model_type\": \"emu3\", \"vocabulary_map\": {}, \"vq_config\": {}, " + members + "}";
    return Emu3Config.read(JsonMap.parse("config.json", json.getBytes(StandardCharsets.UTF_8)));
  }

  @Test
  void whatIsLeftOutIsThePublishedSize() {
    Emu3Config config = read("\"text_config\": {}");

    assertThat(config.transformer())
        .isEqualTo(
            new TransformerConfig(
                184_622, 4096, 14_336, 32, 32, 8, 128, 1e-5, 1e6, 9216, false, false, false));
    assertThat(config.bos()).isEqualTo(151_849);
    assertThat(config.eos()).containsExactly(151_850L);
    assertThat(config.tied()).isFalse();
    assertThat(config.vq().codebookSize()).isEqualTo(32_768);
    assertThat(config.factor()).isEqualTo(8);
    assertThat(Emu3Config.grid(1, 1, config.imageArea(), config.factor())).containsExactly(90, 90);
  }

  @Test
  void theLengthBesideTextConfigIsTheLanguageModelsOwn() {
    Emu3Config chat =
        read(
            "\"max_position_embeddings\": 131072, \"rope_scaling\": {\"rope_type\": \"default\"},"
                + " \"text_config\": {\"max_position_embeddings\": 9216}");

    assertThat(chat.transformer().maxPositionEmbeddings()).isEqualTo(131_072);
    assertThat(chat.transformer().ropeTheta()).isEqualTo(1e6);
  }

  @Test
  void thetaIsFoundWhereEitherLayoutKeepsIt() {
    assertThat(read("\"text_config\": {\"rope_theta\": 2e5, \"rope_scaling\": null}").transformer())
        .extracting(TransformerConfig::ropeTheta)
        .isEqualTo(2e5);
    assertThat(
            read("\"text_config\": {\"rope_parameters\": {\"rope_theta\": 3e5}}").transformer())
        .extracting(TransformerConfig::ropeTheta)
        .isEqualTo(3e5);
  }
}
