package dev.diptych.tokenizers;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * The member {@code decoder} of a tokenizer.json as a chain of stages that take one token at a time
 * and give text as soon as it is certain. Written in Java because the native decoder wants the
 * whole sequence again for every token, and aborts the process where it fails.
 *
 * <p>The reference maps a list of tokens to a list of tokens, stage by stage (huggingface/tokenizers
 * v0.21.4, {@code decode_chain}); a stage here must give the same text whatever comes in one piece.
 */
abstract class TokenDecoder {
  private TokenDecoder next;

  /** Takes a token. */
  abstract void push(String token, StringBuilder out);

  /** Gives what was held back; the end of the sequence. */
  void end(StringBuilder out) {
    if (next != null) {
      next.end(out);
    }
  }

  final void pass(String token, StringBuilder out) {
    if (next == null) {
      out.append(token);
    } else {
      next.push(token, out);
    }
  }

  /** Makes the chain for a decoder of the file; every sequence of tokens needs its own. */
  static TokenDecoder of(TokenizerFile file) {
    List<TokenDecoder> stages = new ArrayList<>();
    if (file.decoder() == null) {
      stages.add(new JoinWithSpaces());
    } else {
      collect(file, file.decoder(), "decoder", stages);
    }
    stages.add(new Output());
    boolean fused = false;
    for (int i = 0; i < stages.size(); i++) {
      TokenDecoder stage = stages.get(i);
      stage.next = i + 1 < stages.size() ? stages.get(i + 1) : null;
      if (stage instanceof Strip strip) {
        strip.fused = fused;
      }
      fused |= stage instanceof Fuse || stage instanceof ByteLevel;
    }
    return stages.get(0);
  }

  private static void collect(
      TokenizerFile file, Object node, String where, List<TokenDecoder> stages) {
    TokenizerRules rules = file.rules();
    Map<String, Object> rule = rules.object(node, where);
    String type = rules.string(rule, "type", where);
    if (stages.size() > 64) {
      throw file.unsupported("more than 64 stages of " + where);
    }
    switch (type) {
      case "Sequence":
        for (Object child : rules.list(rule, "decoders", where)) {
          collect(file, child, where + ".decoders", stages);
        }
        break;
      case "ByteLevel":
        stages.add(new ByteLevel());
        break;
      case "ByteFallback":
        stages.add(new ByteFallback());
        break;
      case "Fuse":
        stages.add(new Fuse());
        break;
      case "Metaspace":
        boolean keeps =
            "never".equals(rule.get("prepend_scheme"))
                || Boolean.FALSE.equals(rule.get("add_prefix_space"));
        stages.add(new Metaspace(rules.string(rule, "replacement", where), !keeps));
        break;
      case "Replace":
        Map<String, Object> pattern = rules.object(rule.get("pattern"), where + ".pattern");
        String literal = rules.string(pattern, "String", where + ".pattern");
        stages.add(new Replace(literal, rules.string(rule, "content", where)));
        break;
      case "Strip":
        String content = rules.string(rule, "content", where);
        int start = rules.integer(rule, "start", 0, 1_000, where);
        stages.add(new Strip(content, start, rules.integer(rule, "stop", 0, 1_000, where)));
        break;
      default:
        throw file.unsupported(
            where
                + " of type "
                + TokenizerJson.quote(type)
                + "; supported are ByteFallback, ByteLevel, Fuse, Metaspace, Replace, Sequence, Strip");
    }
  }

  /** The end of the chain. */
  private static final class Output extends TokenDecoder {
    @Override
    void push(String token, StringBuilder out) {
      pass(token, out);
    }
  }

  /** Without a decoder, tokens are words. */
  private static final class JoinWithSpaces extends TokenDecoder {
    private boolean first = true;

    @Override
    void push(String token, StringBuilder out) {
      pass(first ? token : " " + token, out);
      first = false;
    }
  }

  /** Everything behind it is one token; {@link Strip} is told when the chain is made. */
  private static final class Fuse extends TokenDecoder {
    @Override
    void push(String token, StringBuilder out) {
      pass(token, out);
    }
  }

  /** Characters that stand for bytes; a token with any other character counts as UTF-8 text. */
  private static final class ByteLevel extends TokenDecoder {
    private static final int[] BYTE_OF = new int[0x144];

    static {
      // GPT-2: printable Latin-1 characters stand for themselves, the other bytes, in order, for
      // the characters from U+0100 on.
      int spare = 0x100;
      for (int b = 0; b < 0x100; b++) {
        boolean itself = b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE;
        BYTE_OF[itself ? b : spare++] = b + 1;
      }
    }

    private final Utf8 utf8 = new Utf8();

    @Override
    void push(String token, StringBuilder out) {
      StringBuilder text = new StringBuilder();
      boolean bytes = token.chars().allMatch(c -> c < BYTE_OF.length && BYTE_OF[c] > 0);
      if (bytes) {
        for (int i = 0; i < token.length(); i++) {
          utf8.push(BYTE_OF[token.charAt(i)] - 1, text);
        }
      } else {
        for (byte b : token.getBytes(java.nio.charset.StandardCharsets.UTF_8)) {
          utf8.push(b & 0xFF, text);
        }
      }
      pass(text.toString(), out);
    }

    @Override
    void end(StringBuilder out) {
      StringBuilder text = new StringBuilder();
      utf8.end(text);
      pass(text.toString(), out);
      super.end(out);
    }
  }

  /** Tokens such as {@code <0xE2>}: a run of them is UTF-8, or else one U+FFFD for each. */
  private static final class ByteFallback extends TokenDecoder {
    private final Utf8 utf8 = new Utf8();
    private final StringBuilder run = new StringBuilder();
    private int length;

    @Override
    void push(String token, StringBuilder out) {
      if (token.matches("<0x[0-9a-fA-F]{2}>")) {
        utf8.push(Integer.parseInt(token.substring(3, 5), 16), run);
        length++;
        return;
      }
      endRun(out);
      pass(token, out);
    }

    @Override
    void end(StringBuilder out) {
      endRun(out);
      super.end(out);
    }

    private void endRun(StringBuilder out) {
      if (length == 0) {
        return;
      }
      utf8.end(run);
      pass(utf8.damaged() ? "\uFFFD".repeat(length) : run.toString(), out);
      utf8.restart();
      run.setLength(0);
      length = 0;
    }
  }

  /** A mark for a space; those of the first token are dropped where the encoder put one there. */
  private static final class Metaspace extends TokenDecoder {
    private final String mark;
    private boolean drops;

    Metaspace(String mark, boolean drops) {
      this.mark = mark;
      this.drops = drops;
    }

    @Override
    void push(String token, StringBuilder out) {
      pass(token.replace(mark, drops ? "" : " "), out);
      drops = false;
    }
  }

  /** Replaces in every token. */
  private static final class Replace extends TokenDecoder {
    private final String pattern;
    private final String content;

    Replace(String pattern, String content) {
      this.pattern = pattern;
      this.content = content;
    }

    @Override
    void push(String token, StringBuilder out) {
      pass(pattern.isEmpty() ? token : token.replace(pattern, content), out);
    }
  }

  /** Takes some characters off both ends of every token, or of the whole text behind a Fuse. */
  private static final class Strip extends TokenDecoder {
    private final String content;
    private final int start;
    private final int stop;
    private final StringBuilder held = new StringBuilder();
    private boolean fused;
    private int taken;
    private boolean begun;

    Strip(String content, int start, int stop) {
      this.content = content;
      this.start = start;
      this.stop = stop;
    }

    @Override
    void push(String token, StringBuilder out) {
      if (!fused) {
        begun = false;
        taken = 0;
      }
      String rest = token;
      while (!begun && !rest.isEmpty()) {
        if (taken < start && rest.startsWith(content)) {
          rest = rest.substring(content.length());
          taken++;
        } else {
          begun = true;
        }
      }
      held.append(rest);
      int certain = fused ? held.length() - Math.min(tail(), stop * content.length()) : stripped();
      pass(held.substring(0, certain), out);
      held.delete(0, fused ? certain : held.length());
    }

    @Override
    void end(StringBuilder out) {
      pass(held.substring(0, stripped()), out);
      held.setLength(0);
      super.end(out);
    }

    private int stripped() {
      return held.length() - Math.min(tail(), stop * content.length());
    }

    /** Returns how many characters at the end of the held text are nothing but the content. */
    private int tail() {
      int from = held.length();
      while (from >= content.length()
          && !content.isEmpty()
          && held.indexOf(content, from - content.length()) == from - content.length()) {
        from -= content.length();
      }
      return held.length() - from;
    }
  }
}
