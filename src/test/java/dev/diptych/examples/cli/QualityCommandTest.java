package dev.diptych.examples.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.diptych.core.DType;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.Modality;
import dev.diptych.core.Output;
import dev.diptych.core.Probe;
import dev.diptych.core.UnifiedModel;
import dev.diptych.models.Diptych;
import dev.diptych.testing.Golden;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a narrower format costs, measured: nothing against itself, little in int8, more in int4. */
class QualityCommandTest {
  private static final float NEVER = Float.NEGATIVE_INFINITY;

  @TempDir Path folder;

  @Test
  void divergenceIsThatOfTheDistributions() {
    float[] half = {1, 1, NEVER};
    float[] tenth = {(float) Math.log(0.9) + 7, (float) Math.log(0.1) + 7, NEVER};

    assertThat(Divergence.kullbackLeibler(half, tenth))
        .isCloseTo(0.5 * Math.log(0.5 / 0.9) + 0.5 * Math.log(0.5 / 0.1), within(1e-6));
    assertThat(Divergence.kullbackLeibler(tenth, half))
        .isCloseTo(0.9 * Math.log(0.9 / 0.5) + 0.1 * Math.log(0.1 / 0.5), within(1e-6));
    assertThat(Divergence.kullbackLeibler(tenth, tenth)).isZero();
  }

  @Test
  void figuresAreThoseOfAllPlaces() {
    Divergence divergence = new Divergence();
    float[] half = {0, 0};
    for (int i = 0; i < 199; i++) {
      divergence.add(Modality.IMAGE, half, half);
    }
    divergence.add(Modality.IMAGE, half, new float[] {-5, 0});
    divergence.add(new float[] {3, 4}, new float[] {3, 3.5f});

    Divergence.Figures codes = divergence.choices(Modality.IMAGE);
    double most = Divergence.kullbackLeibler(half, new float[] {-5, 0});
    assertThat(codes.places()).isEqualTo(200);
    assertThat(codes.mean()).isCloseTo(most / 200, within(1e-9));
    assertThat(codes.most99()).isZero();
    assertThat(codes.most()).isEqualTo(most);
    assertThat(codes.sameChoice()).isEqualTo(0.995);
    assertThat(divergence.choices(Modality.TEXT)).isNull();
    assertThat(divergence.steps().mean()).isCloseTo(0.1, within(1e-6));
  }

  /** Measured: int8 0.6 to 4 thousandths, int4 0.05 to 0.3; of denoising 0.02 and 0.1. */
  @ParameterizedTest
  @CsvSource({
    "janus/hf/checkpoint, codes",
    "chameleon/meta/checkpoint, codes",
    "transfusion/unet, steps",
    "janusflow/checkpoint, steps"
  })
  void itselfIsTheSameAndNarrowerIsFurther(String golden, String drawn) {
    Map<String, JsonObject> figures =
        figures(
            Cli.run(
                "bench", "quality", "--model", Golden.folder(golden), "--dtype", "float32",
                "--narrow", "float32,int8,int4", "--scenes", 2, "--tokens", 6, "--steps", 6,
                "--json"));

    for (String of : List.of("words", drawn)) {
      JsonObject same = figures.get("float32 " + of);
      assertThat(same.get("places").getAsInt()).isBetween(2, 12);
      assertThat(same.get("mean").getAsDouble()).as(of).isZero();
      assertThat(same.get("most").getAsDouble()).as(of).isZero();
      double int8 = figures.get("int8 " + of).get("mean").getAsDouble();
      double int4 = figures.get("int4 " + of).get("mean").getAsDouble();
      assertThat(int8).as("int8, %s", of).isBetween(1e-9, 0.05);
      assertThat(int4).as("int4, %s", of).isBetween(int8, 1.0);
    }
    assertThat(figures.get("float32 words").get("sameChoice").getAsDouble()).isEqualTo(1);
  }

  @Test
  void oneDamagedMatrixShows() throws IOException {
    Path damaged = copy(Cli.TINY);
    twice(damaged.resolve("model.safetensors"), "layers.0.mlp.down_proj.weight");
    Trace trace = new Trace();
    drawn(Cli.TINY, DType.FLOAT32, trace.recorder(0));
    Divergence narrow = new Divergence();
    drawn(Cli.TINY, DType.INT8, trace.follower(narrow));
    Divergence wrong = new Divergence();
    drawn(damaged, DType.FLOAT32, trace.follower(wrong));

    assertThat(wrong.choices(Modality.IMAGE).mean())
        .isGreaterThan(20 * narrow.choices(Modality.IMAGE).mean());
  }

  @Test
  void theTableNamesFormatsPlacesAndUnits() {
    Cli run =
        Cli.tiny("bench", "quality", "--narrow", "int8", "--scenes", 1, "--steps", 3, "--quiet");

    assertThat(run.exitCode()).as(run.stderr()).isZero();
    assertThat(run.text().lines().toList()).hasSize(3);
    assertThat(run.text().lines().toList().get(0)).contains("places", "99 %", "same choice");
    assertThat(run.text()).containsPattern("int8 +codes, nats +3 .* %\n");
  }

  /** Multiplies every number of a bfloat16 tensor by two: one more in its exponent. */
  private static void twice(Path file, String name) throws IOException {
    ByteBuffer all = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
    int length = Math.toIntExact(all.getLong(0));
    JsonObject header =
        JsonParser.parseString(new String(all.array(), 8, length, StandardCharsets.UTF_8))
            .getAsJsonObject();
    String key = header.keySet().stream().filter(k -> k.endsWith(name)).findFirst().orElseThrow();
    JsonObject tensor = header.getAsJsonObject(key);
    assertThat(tensor.get("dtype").getAsString()).isEqualTo("BF16");
    int begin = tensor.getAsJsonArray("data_offsets").get(0).getAsInt();
    int end = tensor.getAsJsonArray("data_offsets").get(1).getAsInt();
    for (int at = 8 + length + begin; at < 8 + length + end; at += Short.BYTES) {
      all.putShort(at, (short) (all.getShort(at) + 0x80));
    }
    Files.write(file, all.array());
  }

  private Path copy(Path source) throws IOException {
    try (Stream<Path> files = Files.list(source)) {
      for (Path file : files.toList()) {
        Files.copy(file, folder.resolve(file.getFileName()));
      }
    }
    return folder;
  }

  private static void drawn(Path model, DType dtype, Probe probe) {
    try (UnifiedModel loaded = Diptych.load(model, LoadOptions.DEFAULT.withDtype(dtype))) {
      loaded.generate(
          GenerationRequest.builder()
              .text("a circle")
              .output(Output.IMAGE)
              .options(GenerationOptions.builder().seed(1).build())
              .probe(probe)
              .build());
    }
  }

  private static Map<String, JsonObject> figures(Cli run) {
    assertThat(run.exitCode()).as(run.stderr()).isZero();
    JsonObject json = run.json();
    assertThat(json.get("reference").getAsString()).isEqualTo("float32");
    Map<String, JsonObject> figures = new HashMap<>();
    json.getAsJsonArray("figures")
        .forEach(
            f -> {
              JsonObject one = f.getAsJsonObject();
              figures.put(one.get("dtype").getAsString() + " " + one.get("of").getAsString(), one);
            });
    return figures;
  }
}
