package dev.diptych.tokenizers;

import dev.diptych.core.DiptychException;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Loads one hostile tokenizer.json after the other, in a JVM of its own, and says on standard output
 * what became of each. Without the checks, several of them abort the process.
 */
final class HostileTokenizers {
  private static final String MODEL =
      "{'type':'BPE','vocab':{'a':0,'b':1,'ab':2},'merges':[['a','b']]}";

  private HostileTokenizers() {}

  public static void main(String[] arguments) throws IOException {
    Path folder = Path.of(arguments[0]);
    for (Map.Entry<String, String> hostile : files().entrySet()) {
      Files.writeString(folder.resolve("tokenizer.json"), hostile.getValue());
      load(hostile.getKey(), folder);
    }
    Files.write(folder.resolve("tokenizer.json"), new byte[] {'{', '"', (byte) 0xFF, '"'});
    load("not UTF-8", folder);
    try (var huge = new RandomAccessFile(folder.resolve("tokenizer.json").toFile(), "rw")) {
      huge.setLength(200L << 20);
    }
    load("200 MB", folder);
    Files.delete(folder.resolve("tokenizer.json"));
    load("absent", folder);
    Files.writeString(folder.resolve("tokenizer.json"), tokenizer("", MODEL));
    Files.writeString(
        folder.resolve("tokenizer_config.json"),
        json("{'added_tokens_decoder':{'7':{'content':'<x>'}}}"));
    load("config with an id out of order", folder);
    Files.writeString(folder.resolve("tokenizer_config.json"), "{");
    load("config cut off", folder);
    Files.delete(folder.resolve("tokenizer_config.json"));
    load("sound", folder);
  }

  private static void load(String name, Path folder) {
    long before = cpuMillis();
    String result;
    try (TextTokenizer tokenizer = TextTokenizer.load(folder)) {
      result = "loaded, " + tokenizer.encodeText("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac").length;
    } catch (DiptychException e) {
      result = e.getClass().getSimpleName() + ": " + e.getMessage().replace('\n', ' ');
    }
    System.out.printf("[%s] %d ms %s%n", name, cpuMillis() - before, result);
  }

  private static Map<String, String> files() {
    Map<String, String> files = new LinkedHashMap<>();
    files.put("empty", "");
    files.put("Git LFS pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n");
    files.put("web page", "\n<!DOCTYPE html><html>");
    files.put("not an object", "[1]");
    files.put("cut off", tokenizer("", MODEL).substring(0, 60));
    files.put("something behind", tokenizer("", MODEL) + "{}");
    files.put("no model", "{}");
    files.put("two models", json("{'model':" + MODEL + ",'model':" + MODEL + "}"));
    files.put("nested 100,000 deep", json("{'model':" + "[".repeat(100_000)));
    files.put("nested normalizer", json("{'normalizer':" + "{'a':".repeat(100_000)));
    files.put("half a surrogate pair", tokenizer("", MODEL.replace("'ab'", "'\\ud83d'")));
    files.put("model type", tokenizer("", "{'type':'Neural','vocab':{'a':0}}"));
    files.put("empty vocabulary", tokenizer("", "{'type':'BPE','vocab':{},'merges':[]}"));
    files.put("piece twice", tokenizer("", "{'type':'BPE','vocab':{'a':0,'a':1},'merges':[]}"));
    files.put("id twice", tokenizer("", "{'type':'BPE','vocab':{'a':0,'b':0},'merges':[]}"));
    files.put("huge id", tokenizer("", "{'type':'BPE','vocab':{'a':4294967295},'merges':[]}"));
    files.put("negative id", tokenizer("", "{'type':'BPE','vocab':{'a':-1},'merges':[]}"));
    files.put("id no integer", tokenizer("", "{'type':'BPE','vocab':{'a':1.5},'merges':[]}"));
    files.put("merge of nothing", tokenizer("", MODEL.replace("'b']]", "'z']]")));
    files.put("merge to nothing", tokenizer("", MODEL.replace(",'ab':2", "")));
    files.put("merge of three", tokenizer("", MODEL.replace("['a','b']", "'a b c'")));
    files.put("merge of one", tokenizer("", MODEL.replace("['a','b']", "['a']")));
    files.put(
        "prefix longer than a piece",
        tokenizer("", MODEL.replace("'vocab'", "'continuing_subword_prefix':'####','vocab'")));
    files.put("dropout", tokenizer("", MODEL.replace("'vocab'", "'dropout':0.5,'vocab'")));
    files.put("unknown not there", tokenizer("", MODEL.replace("'vocab'", "'unk_token':'?','vocab'")));
    files.put("unigram unknown", tokenizer("", "{'type':'Unigram','unk_id':9,'vocab':[['a',-1]]}"));
    files.put("unigram score", tokenizer("", "{'type':'Unigram','vocab':[['a',1e999]]}"));
    files.put("word piece", tokenizer("", "{'type':'WordPiece','vocab':{'a':0}}"));
    files.put("exponential split", tokenizer(split("(a+)+b"), MODEL));
    files.put("exponential replace", tokenizer(
        "'normalizer':{'type':'Replace','pattern':{'Regex':'(?:a|a)*b'},'content':''},", MODEL));
    files.put("expression with calls", tokenizer(split("(?<x>a\\\\g<x>?b)"), MODEL));
    files.put("empty split", tokenizer(
        "'pre_tokenizer':{'type':'Split','pattern':{'String':''},'behavior':'Isolated'},", MODEL));
    files.put("fixed length 0", tokenizer("'pre_tokenizer':{'type':'FixedLength','length':0},", MODEL));
    files.put("fixed length 0 in a sequence", tokenizer("'pre_tokenizer':{'type':'Sequence',"
        + "'pretokenizers':[{'type':'FixedLength','length':0}]},", MODEL));
    files.put("binary automaton", tokenizer("'normalizer':{'type':'Precompiled',"
        + "'precompiled_charsmap':'BAAAAP////8AAAA='},", MODEL));
    files.put("unheard-of rule", tokenizer("'pre_tokenizer':{'type':'Oracle'},", MODEL));
    files.put("rule without a type", tokenizer("'pre_tokenizer':{},", MODEL));
    files.put("refused by the native code", tokenizer("'pre_tokenizer':{'type':'Split',"
        + "'pattern':{'String':'x'},'behavior':'Sideways','invert':false},", MODEL));
    files.put("added id out of order", tokenizer(added("'id':9,'content':'<x>'"), MODEL));
    files.put("added id of another", tokenizer(added("'id':1,'content':'a'"), MODEL));
    files.put("added id negative", tokenizer(added("'id':-1,'content':'<x>'"), MODEL));
    files.put("added token empty", tokenizer(added("'id':3,'content':''"), MODEL));
    files.put("added word of which the normalizer leaves nothing",
        tokenizer("'normalizer':{'type':'Strip','strip_left':true,'strip_right':true},"
            + added("'id':3,'content':' '"), MODEL));
    files.put("added word with strip",
        tokenizer(added("'id':3,'content':'word','lstrip':true"), MODEL));
    return files;
  }

  private static String split(String regex) {
    return "'pre_tokenizer':{'type':'Split','pattern':{'Regex':'"
        + regex
        + "'},'behavior':'Isolated','invert':false},";
  }

  private static String added(String token) {
    return "'added_tokens':[{" + token + "}],";
  }

  private static String tokenizer(String members, String model) {
    return json("{'version':'1.0'," + members + "'model':" + model + "}");
  }

  private static String json(String singleQuoted) {
    return singleQuoted.replace('\'', '"');
  }

  private static long cpuMillis() {
    return ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() / 1_000_000;
  }
}
