package dev.diptych.tokenizers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.diptych.core.Image;
import dev.diptych.core.InvalidImageException;
import dev.diptych.core.ResourceLimitException;
import java.io.ByteArrayOutputStream;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import java.util.zip.Deflater;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files that lie, are damaged or are no pictures: a typed error, soon, and nothing left open. */
class HostileImageTest {
  private static final Path FORMATS = Pictures.FOLDER.resolve("formats");

  @TempDir Path folder;

  @Test
  void refusesTooManyPixelsBeforeThereIsARaster() {
    Map<String, byte[]> files = new LinkedHashMap<>();
    files.put("PNG", png(65_535, 65_535, new byte[4000]));
    files.put("BMP", bmp(65_535, 65_535));
    files.put("GIF", gif(65_535, 65_535));
    files.put("JPEG", jpegOfSize(65_535, 65_535));
    files.put("WebP", webpOfCanvas(65_535, 65_535));

    files.forEach(
        (format, data) -> {
          long before = allocated();
          ResourceLimitException error =
              catchThrowableOfType(() -> ImageFile.read(data), ResourceLimitException.class);
          long bytes = allocated() - before;

          assertThat(error)
              .as(format)
              .hasMessageContaining(format)
              .hasMessageContaining("65535x65535");
          assertThat(error.asked()).isEqualTo(65_535L * 65_535);
          assertThat(error.allowed()).isEqualTo(178_956_970);
          assertThat(bytes).as(format).isLessThan(1 << 20);
        });
  }

  @Test
  void countsPixelsAgainstTheCallersLimit() {
    Path file = FORMATS.resolve("jpeg_exif6.jpg");
    Image image = ImageFile.read(file);
    long pixels = (long) image.width() * image.height();

    assertThat(ImageFile.read(file, pixels)).isEqualTo(image);
    assertThatThrownBy(() -> ImageFile.read(file, pixels - 1))
        .isInstanceOf(ResourceLimitException.class)
        .hasMessageContaining("at most " + (pixels - 1) + " pixels");
  }

  @Test
  void refusesHeadersThatPromiseMoreThanTheFileCanHold() {
    Map<String, byte[]> files = new LinkedHashMap<>();
    files.put("PNG", png(10_000, 10_000, new byte[64]));
    files.put("BMP", bmp(10_000, 10_000));
    files.put("GIF", gif(10_000, 10_000));
    files.put("JPEG", jpegOfSize(10_000, 10_000));

    files.forEach(
        (format, data) -> {
          long before = allocated();
          Throwable error = catchThrowable(() -> ImageFile.read(data));
          long bytes = allocated() - before;

          assertThat(error)
              .as(format)
              .isInstanceOf(InvalidImageException.class)
              .hasMessageContaining("10000x10000");
          assertThat(bytes).as(format).isLessThan(1 << 20);
        });
  }

  @Test
  void refusesEmptySides() {
    for (int[] size : new int[][] {{0, 0}, {0, 5}, {5, 0}, {-1, 5}}) {
      for (byte[] data : new byte[][] {png(size[0], size[1], new byte[9]), bmp(size[0], size[1])}) {
        assertThatThrownBy(() -> ImageFile.read(data))
            .isInstanceOf(InvalidImageException.class)
            .hasMessageContaining("sides of at least 1 pixel");
      }
    }
  }

  @Test
  void refusesEveryFileThatIsCutOff() throws Exception {
    for (Path file : ImageFileGoldenTest.files()) {
      String name = file.getFileName().toString();
      // Of these the first picture ends before the file does.
      if (name.equals("gif_animated.gif") || name.equals("jpeg_and_zip.jpg")) {
        continue;
      }
      byte[] data = Files.readAllBytes(file);
      // The last byte of a GIF only says that nothing follows.
      int whole = name.endsWith(".gif") ? data.length - 1 : data.length;
      for (int length = 0; length < whole; length += 1 + length / 16) {
        byte[] part = Arrays.copyOf(data, length);
        assertThatThrownBy(() -> ImageFile.read(part))
            .as("%s cut to %d of %d bytes", name, length, data.length)
            .isInstanceOf(InvalidImageException.class);
      }
      byte[] almost = Arrays.copyOf(data, whole - 1);
      assertThatThrownBy(() -> ImageFile.read(almost))
          .as("%s without its last byte", name)
          .isInstanceOf(InvalidImageException.class);
    }
  }

  @Test
  void answersEveryDamagedFileWithATypedErrorOrAPicture() throws Exception {
    Random random = new Random(20);
    int refused = 0;
    for (Path file : ImageFileGoldenTest.files()) {
      byte[] data = Files.readAllBytes(file);
      for (int i = 0; i < 30; i++) {
        byte[] damaged = data.clone();
        int reach = i % 2 == 0 ? Math.min(64, data.length) : data.length;
        for (int n = 0; n <= i % 5; n++) {
          damaged[random.nextInt(reach)] = (byte) random.nextInt(256);
        }
        Throwable error = catchThrowable(() -> ImageFile.read(damaged, 1_000_000));
        if (error != null) {
          refused++;
          assertThat(error)
              .as("%s, damage %d", file.getFileName(), i)
              .isInstanceOfAny(InvalidImageException.class, ResourceLimitException.class);
        }
      }
    }

    assertThat(refused).isGreaterThan(500);
  }

  @Test
  void namesWhatIsNoPictureAndTheRemedy() {
    Map<byte[], String> cases = new LinkedHashMap<>();
    cases.put(new byte[0], "no bytes at all");
    cases.put(
        text("<svg xmlns=\"http://www.w3.org/2000/svg\"/>"), "an SVG drawing; render it to PNG");
    cases.put(text("\ufeff<?xml version=\"1.0\"?>\n<svg/>"), "an SVG drawing");
    cases.put(text("<!DOCTYPE html><p>404"), "a web page");
    cases.put(text("version https://git-lfs.github.com/spec/v1\n"), "git lfs pull");
    cases.put(
        text("\0\0\0\u0018ftypheic\0\0\0\0"), "a HEIC picture (\"heic\"); save it as JPEG or PNG");
    cases.put(text("\0\0\0\u0018ftypavif\0\0\0\0"), "an AVIF picture");
    cases.put(text("\0\0\0\u0018ftypqt  \0\0\0\0"), "a media file of the brand \"qt  \"");
    cases.put(text("II*\0\b\0\0\0"), "a TIFF picture");
    cases.put(text("%PDF-1.7"), "a PDF document");
    cases.put(
        text("PK\u0003\u0004 a zip, or a polyglot with a picture inside"),
        "begins with 50 4b 03 04");
    cases.put(text("Dear reader"), "begins with 44 65 61 72");
    cases.put(text("BM, said the text"), "begins with 42 4d");

    cases.forEach(
        (data, expected) ->
            assertThatThrownBy(() -> ImageFile.read(data))
                .isInstanceOf(InvalidImageException.class)
                .hasMessageContaining("expected a PNG, JPEG, WebP, GIF or BMP picture")
                .hasMessageContaining(expected));
  }

  @Test
  void readsByContentAndNotByName() throws Exception {
    Path lying = Files.copy(FORMATS.resolve("rgb.png"), folder.resolve("picture.jpg"));
    Path polyglot = Files.copy(FORMATS.resolve("jpeg_and_zip.jpg"), folder.resolve("archive.zip"));
    Path text = Files.writeString(folder.resolve("text.png"), "no picture");

    assertThat(ImageFile.read(lying)).isEqualTo(ImageFile.read(FORMATS.resolve("rgb.png")));
    assertThat(ImageFile.read(polyglot).width()).isPositive();
    assertThatThrownBy(() -> ImageFile.read(text))
        .isInstanceOf(InvalidImageException.class)
        .hasMessageContaining("text.png");
  }

  @Test
  void readsPicturesWithAProfileOfFiftyMegabytes() throws Exception {
    byte[] profile = new byte[50_000_000];
    new Random(1).nextBytes(profile);
    byte[] png = Files.readAllBytes(FORMATS.resolve("rgb.png"));
    byte[] webp = Files.readAllBytes(FORMATS.resolve("webp_lossless.webp"));
    Map<byte[], byte[]> files = new LinkedHashMap<>();
    files.put(png, joined(Arrays.copyOf(png, 33), chunk("iCCP", profile), tail(png, 33)));
    files.put(webp, withProfile(webp, profile));

    files.forEach(
        (plain, heavy) ->
            assertThat(
                    org.junit.jupiter.api.Assertions.assertTimeout(
                        Duration.ofSeconds(10), () -> ImageFile.read(heavy)))
                .isEqualTo(ImageFile.read(plain)));
  }

  @Test
  void doesNotUnpackAProfileThatIsABomb() throws Exception {
    byte[] png = Files.readAllBytes(FORMATS.resolve("rgb.png"));
    byte[] bomb = joined(text("name\0\0"), deflated(new byte[100_000_000]));
    byte[] file = joined(Arrays.copyOf(png, 33), chunk("iCCP", bomb), tail(png, 33));

    long before = allocated();
    Image image = ImageFile.read(file);
    long bytes = allocated() - before;

    assertThat(image).isEqualTo(ImageFile.read(png));
    assertThat(bytes).isLessThan(20_000_000);
  }

  @Test
  void refusesFoldersAndMissingFiles() {
    assertThatThrownBy(() -> ImageFile.read(folder))
        .isInstanceOf(InvalidImageException.class)
        .hasMessageContaining("a regular file");
    assertThatThrownBy(() -> ImageFile.read(folder.resolve("none.png")))
        .isInstanceOf(InvalidImageException.class)
        .hasMessageContaining("none.png")
        .hasMessageContaining("an existing file");
  }

  @Test
  void leavesNoFileOpen() throws Exception {
    Path whole = Files.copy(FORMATS.resolve("jpeg_420.jpg"), folder.resolve("whole"));
    Path damaged = folder.resolve("damaged");
    Files.write(damaged, Arrays.copyOf(Files.readAllBytes(whole), 900));
    Path webp = Files.copy(FORMATS.resolve("webp_lossless.webp"), folder.resolve("webp"));
    Path text = Files.writeString(folder.resolve("text"), "no picture");

    for (int i = 0; i < 50; i++) {
      ImageFile.read(whole);
      ImageFile.read(webp);
      catchThrowable(() -> ImageFile.read(damaged));
      catchThrowable(() -> ImageFile.read(text));
      catchThrowable(() -> ImageFile.read(whole, 5));
    }

    assertThat(openFilesIn(folder)).isEmpty();
    // Where open files are not listed, deleting is what an open one would forbid.
    for (Path file : new Path[] {whole, damaged, webp, text}) {
      Files.delete(file);
    }
  }

  /** The files that this process has open in a folder, where the system lists them. */
  private static Path[] openFilesIn(Path folder) throws Exception {
    Path descriptors = Path.of("/proc/self/fd");
    if (!Files.isDirectory(descriptors)) {
      return new Path[0];
    }
    try (Stream<Path> all = Files.list(descriptors)) {
      return all.map(HostileImageTest::target)
          .filter(f -> f.startsWith(folder))
          .toArray(Path[]::new);
    }
  }

  private static Path target(Path link) {
    try {
      return Files.readSymbolicLink(link);
    } catch (Exception closedMeanwhile) {
      return link;
    }
  }

  private static long allocated() {
    var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
    return threads.getCurrentThreadAllocatedBytes();
  }

  private static byte[] text(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static byte[] tail(byte[] data, int from) {
    return Arrays.copyOfRange(data, from, data.length);
  }

  private static byte[] joined(byte[]... parts) {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    for (byte[] part : parts) {
      all.writeBytes(part);
    }
    return all.toByteArray();
  }

  private static byte[] deflated(byte[] data) {
    Deflater deflater = new Deflater(9);
    deflater.setInput(data);
    deflater.finish();
    byte[] out = new byte[data.length / 500 + 1000];
    int length = deflater.deflate(out);
    deflater.end();
    return Arrays.copyOf(out, length);
  }

  private static byte[] chunk(String type, byte[] body) {
    CRC32 crc = new CRC32();
    crc.update(text(type));
    crc.update(body);
    ByteBuffer chunk = ByteBuffer.allocate(12 + body.length);
    return chunk.putInt(body.length).put(text(type)).put(body).putInt((int) crc.getValue()).array();
  }

  private static byte[] png(int width, int height, byte[] pixels) {
    ByteBuffer header = ByteBuffer.allocate(13).putInt(width).putInt(height).put((byte) 8);
    header.put((byte) 2);
    return joined(
        PngImage.SIGNATURE,
        chunk("IHDR", header.array()),
        chunk("IDAT", deflated(pixels)),
        chunk("IEND", new byte[0]));
  }

  private static byte[] bmp(int width, int height) {
    ByteBuffer file = ByteBuffer.allocate(400).order(ByteOrder.LITTLE_ENDIAN);
    file.put(text("BM")).putInt(400).putInt(0).putInt(54).putInt(40).putInt(width).putInt(height);
    file.putShort((short) 1).putShort((short) 24);
    return file.array();
  }

  private static byte[] gif(int width, int height) {
    ByteBuffer file = ByteBuffer.allocate(64).order(ByteOrder.LITTLE_ENDIAN);
    file.put(text("GIF89a")).putShort((short) width).putShort((short) height);
    file.put((byte) 0x80).putShort((short) 0).put(new byte[6]);
    file.put((byte) 0x2c).putInt(0).putShort((short) width).putShort((short) height).put((byte) 0);
    file.put((byte) 2).put((byte) 2).put((byte) 0x44).put((byte) 1).put((byte) 0).put((byte) 0x3b);
    return file.array();
  }

  private static byte[] jpegOfSize(int width, int height) {
    try {
      byte[] data = Files.readAllBytes(FORMATS.resolve("jpeg_444.jpg"));
      for (int i = 0; ; i++) {
        if (data[i] == (byte) 0xff && data[i + 1] == (byte) 0xc0) {
          ByteBuffer.wrap(data).putShort(i + 5, (short) height).putShort(i + 7, (short) width);
          return data;
        }
      }
    } catch (java.io.IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  private static byte[] webpOfCanvas(int width, int height) {
    try {
      byte[] data = Files.readAllBytes(FORMATS.resolve("webp_alpha.webp"));
      for (int i = 0; i < 3; i++) {
        data[24 + i] = (byte) ((width - 1) >> 8 * i);
        data[27 + i] = (byte) ((height - 1) >> 8 * i);
      }
      return data;
    } catch (java.io.IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  /** Rewrites a simple WebP file as an extended one with a colour profile. */
  private static byte[] withProfile(byte[] webp, byte[] profile) {
    Image image = ImageFile.read(webp);
    ByteBuffer head = ByteBuffer.allocate(38 + profile.length).order(ByteOrder.LITTLE_ENDIAN);
    head.put(text("RIFF")).putInt(30 + profile.length + webp.length - 12).put(text("WEBPVP8X"));
    head.putInt(10).putInt(0x20);
    head.putShort((short) (image.width() - 1)).put((byte) 0);
    head.putShort((short) (image.height() - 1)).put((byte) 0);
    head.put(text("ICCP")).putInt(profile.length).put(profile);
    return joined(head.array(), tail(webp, 12));
  }
}
