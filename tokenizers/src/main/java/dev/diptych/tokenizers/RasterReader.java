package dev.diptych.tokenizers;

import java.awt.image.BufferedImage;
import java.awt.image.Raster;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.SequenceInputStream;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import javax.imageio.IIOException;
import javax.imageio.ImageReader;
import javax.imageio.spi.IIORegistry;
import javax.imageio.spi.ImageReaderSpi;
import javax.imageio.stream.ImageInputStream;
import javax.imageio.stream.MemoryCacheImageInputStream;

/**
 * Runs one chosen ImageIO decoder over bytes in memory.
 *
 * <p>The decoder is named, never looked up by content: plug-ins that other libraries bring do not
 * change what we read, and neither the context class loader nor merged service files matter. No
 * global switch of ImageIO is touched, and no cache file is made.
 */
final class RasterReader {
  private final List<InputStream> parts = new ArrayList<>();

  /** Adds bytes that the decoder shall see next. */
  RasterReader add(byte[] data, int offset, int length) {
    parts.add(new ByteArrayInputStream(data, offset, length));
    return this;
  }

  RasterReader add(byte[] data) {
    return add(data, 0, data.length);
  }

  /** Decodes with the JDK's own reader of a format. */
  BufferedImage readWithJdk(String format) throws IOException {
    return read(jdkReader(format), reader -> reader.read(0));
  }

  /** Decodes with the JDK's own reader of a format, without any colour conversion. */
  Raster readRasterWithJdk(String format) throws IOException {
    return read(jdkReader(format), reader -> reader.readRaster(0, null));
  }

  /** Decodes with a reader of ours. */
  BufferedImage readWith(ImageReaderSpi provider) throws IOException {
    return read(provider, reader -> reader.read(0));
  }

  private interface Decoding<T> {
    T run(ImageReader reader) throws IOException;
  }

  private <T> T read(ImageReaderSpi provider, Decoding<T> decoding) throws IOException {
    InputStream bytes = new SequenceInputStream(Collections.enumeration(parts));
    try (ImageInputStream stream = new MemoryCacheImageInputStream(bytes)) {
      ImageReader reader = provider.createReaderInstance(null);
      try {
        reader.setInput(stream, true, true);
        return decoding.run(reader);
      } finally {
        reader.dispose();
      }
    }
  }

  private static ImageReaderSpi jdkReader(String format) throws IIOException {
    Iterator<ImageReaderSpi> providers =
        IIORegistry.getDefaultInstance().getServiceProviders(ImageReaderSpi.class, false);
    while (providers.hasNext()) {
      ImageReaderSpi provider = providers.next();
      boolean ofJdk = provider.getClass().getModule() == ImageReader.class.getModule();
      if (ofJdk && List.of(provider.getFormatNames()).contains(format.toLowerCase(Locale.ROOT))) {
        return provider;
      }
    }
    throw new IIOException("this Java runtime has no " + format + " decoder (module java.desktop)");
  }
}
