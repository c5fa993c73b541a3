package dev.diptych.tokenizers;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;

/** Gives no more than a number of bytes, then fails. */
final class LimitedInputStream extends FilterInputStream {
  private long left;

  LimitedInputStream(InputStream in, long limit) {
    super(in);
    this.left = limit;
  }

  @Override
  public int read() throws IOException {
    int b = super.read();
    return b < 0 ? b : counted(1, b);
  }

  @Override
  public int read(byte[] buffer, int offset, int length) throws IOException {
    int n = super.read(buffer, offset, length);
    return n < 0 ? n : counted(n, n);
  }

  private int counted(int n, int result) throws IOException {
    left -= n;
    if (left < 0) {
      throw new IOException("the file grew while it was read");
    }
    return result;
  }
}
