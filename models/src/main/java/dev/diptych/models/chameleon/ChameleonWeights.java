package dev.diptych.models.chameleon;

import dev.diptych.core.engine.WeightLoader.Slice;
import dev.diptych.core.vq.VqConfig;
import dev.diptych.core.weights.TensorSpec;
import dev.diptych.core.weights.Weights;
import dev.diptych.decoders.VqImageDecoder;
import dev.diptych.models.discrete.TransformerConfig;
import dev.diptych.tokenizers.VqImageTokenizer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Binds the transformer's tensors, each with its shape, under the names of transformers. Meta's are
 * not permuted: {@link TransformerConfig#interleavedRope()} says how they are turned. The parts of a
 * sharded tensor are joined when they are read, as convert_chameleon_weights_to_hf.py joins them.
 *
 * <p>Norms before attention and feed-forward, and the last one, should be the same in every shard,
 * because a model trained in parallel adds up its shards before them: the first shard's are taken.
 * The script takes their mean, which is another where shards differ; nothing compares them. Those of queries and keys
 * differ, and become one row a shard; transformers' folders have one row a head or, in
 * Lumina-mGPT's, one a shard. A row serves as many heads as it takes.
 */
final class ChameleonWeights {
  private final Weights weights;
  private final ChameleonConfig config;
  private final TransformerConfig sizes;
  private final Map<String, Slice> slices = new LinkedHashMap<>();

  private ChameleonWeights(Weights weights, ChameleonConfig config) {
    this.weights = weights;
    this.config = config;
    this.sizes = config.transformer();
  }

  /**
   * Asks for everything: the transformer's tensors, and those of the picture coder where there is
   * one.
   *
   * @return where every tensor that the script asks for is found
   */
  static Map<String, Slice> bind(Weights weights, ChameleonFiles files) {
    ChameleonWeights binding = new ChameleonWeights(weights, files.config());
    if (files.config().layout() == ChameleonConfig.Layout.HF) {
      binding.hf();
    } else {
      binding.meta();
    }
    files.coderPrefix().ifPresent(prefix -> coder(weights, prefix, files.vq()));
    return binding.slices;
  }

  private static void coder(Weights weights, String prefix, VqConfig vq) {
    VqImageTokenizer.bind(vq, weights.at(prefix));
    if (vq.hasDecoder()) {
      VqImageDecoder.bind(vq, weights.at(prefix));
    }
    if (prefix.startsWith(ChameleonFiles.CODER)) {
      weights.ignore("model.vqmodel.*", "another picture coder stands in for it");
      if (!prefix.equals(ChameleonFiles.CODER)) {
        for (String part : List.of("model.embed_tokens", "model.layers", "model.norm", "lm_head")) {
          weights.ignore(
              ChameleonFiles.CODER + part + ".*",
              "of the model that the picture coder was taken from");
        }
      }
    }
  }

  private void hf() {
    long d = sizes.hiddenSize();
    long f = sizes.intermediateSize();
    long q = (long) sizes.numAttentionHeads() * sizes.headDim();
    long kv = (long) sizes.numKeyValueHeads() * sizes.headDim();
    hf("model.embed_tokens.weight", sizes.vocabSize(), d);
    for (int i = 0; i < sizes.numHiddenLayers(); i++) {
      String p = "model.layers." + i + ".";
      hf(p + "self_attn.q_proj.weight", q, d);
      hf(p + "self_attn.k_proj.weight", kv, d);
      hf(p + "self_attn.v_proj.weight", kv, d);
      hf(p + "self_attn.o_proj.weight", d, q);
      headNorm(p + "self_attn.q_norm.", sizes.numAttentionHeads());
      headNorm(p + "self_attn.k_norm.", sizes.numKeyValueHeads());
      hf(p + "mlp.gate_proj.weight", f, d);
      hf(p + "mlp.up_proj.weight", f, d);
      hf(p + "mlp.down_proj.weight", d, f);
      hf(p + "input_layernorm.weight", d);
      hf(p + "post_attention_layernorm.weight", d);
    }
    hf("model.norm.weight", d);
    if (config.tied()) {
      weights.ignore("lm_head.weight", "tied to the embeddings");
    } else {
      hf("lm_head.weight", sizes.vocabSize(), d);
    }
    weights.ignore("*rotary_emb.inv_freq", "recomputed from rope_theta");
  }

  private void hf(String name, long... shape) {
    slices.put(name, Slice.of(weights.require(name, shape)));
  }

  /** [K], or [rows, K] with a row for every head or for as many heads as divide them. */
  private void headNorm(String name, int heads) {
    for (String part : List.of("weight", "bias")) {
      long k = sizes.headDim();
      long[] shape = {heads, k};
      if (weights.has(name + part)) {
        List<Long> found = weights.checkpoint().spec(name + part).shape();
        if (found.equals(List.of(k))) {
          shape = new long[] {k};
        } else if (found.size() == 2 && found.get(0) > 0 && heads % found.get(0) == 0) {
          shape = new long[] {found.get(0), k};
        }
      }
      hf(name + part, shape);
    }
  }

  private void meta() {
    int n = config.shards();
    long d = sizes.hiddenSize();
    long f = sizes.intermediateSize() / n;
    long q = (long) sizes.numAttentionHeads() * sizes.headDim() / n;
    long kv = (long) sizes.numKeyValueHeads() * sizes.headDim() / n;
    columns("model.embed_tokens.weight", "tok_embeddings.weight", sizes.vocabSize(), d / n);
    for (int i = 0; i < sizes.numHiddenLayers(); i++) {
      String p = "model.layers." + i + ".";
      String m = "layers." + i + ".";
      rows(
          m + "attention.wqkv.weight",
          List.of(
              new Rows(p + "self_attn.q_proj.weight", m + "attention.wq.weight", q),
              new Rows(p + "self_attn.k_proj.weight", m + "attention.wk.weight", kv),
              new Rows(p + "self_attn.v_proj.weight", m + "attention.wv.weight", kv)));
      columns(p + "self_attn.o_proj.weight", m + "attention.wo.weight", d, q);
      if (sizes.qkNorm()) {
        for (String part : List.of("weight", "bias")) {
          perShard(p + "self_attn.q_norm." + part, m + "attention.q_normalization." + part);
          perShard(p + "self_attn.k_norm." + part, m + "attention.k_normalization." + part);
        }
      }
      rows(
          m + "feed_forward.w13.weight",
          List.of(
              new Rows(p + "mlp.gate_proj.weight", m + "feed_forward.w1.weight", f),
              new Rows(p + "mlp.up_proj.weight", m + "feed_forward.w3.weight", f)));
      columns(p + "mlp.down_proj.weight", m + "feed_forward.w2.weight", d, f);
      replicated(p + "input_layernorm.weight", m + "attention_norm.weight");
      replicated(p + "post_attention_layernorm.weight", m + "ffn_norm.weight");
    }
    replicated("model.norm.weight", "norm.weight");
    rows("", List.of(new Rows("lm_head.weight", "output.weight", sizes.vocabSize() / n)));
    weights.ignore("*rope.freqs", "recomputed from rope_theta");
  }

  /** A tensor whose rows are cut over the shards, so many in each. */
  private record Rows(String name, String meta, long rows) {}

  /** Tensors of their own, or fused into one in each shard, one below the other. */
  private void rows(String fused, List<Rows> tensors) {
    long d = sizes.hiddenSize();
    long all = tensors.stream().mapToLong(Rows::rows).sum();
    boolean isFused = !fused.isEmpty() && weights.has(shard(0) + fused);
    Map<String, List<Slice.Piece>> pieces = new LinkedHashMap<>();
    for (int s = 0; s < config.shards(); s++) {
      String whole = isFused ? weights.require(shard(s) + fused, all, d).name() : "";
      long first = 0;
      for (Rows t : tensors) {
        String name = isFused ? whole : weights.require(shard(s) + t.meta(), t.rows(), d).name();
        pieces
            .computeIfAbsent(t.name(), x -> new ArrayList<>())
            .add(new Slice.Piece(name, isFused ? first : 0, t.rows()));
        first += t.rows();
      }
    }
    for (Rows t : tensors) {
      slices.put(
          t.name(), new Slice(pieces.get(t.name()), 0, List.of(t.rows() * config.shards(), d)));
    }
  }

  private void columns(String name, String meta, long rows, long columns) {
    List<Slice.Piece> pieces = new ArrayList<>();
    for (int s = 0; s < config.shards(); s++) {
      TensorSpec spec = weights.require(shard(s) + meta, rows, columns);
      pieces.add(new Slice.Piece(spec.name(), 0, rows));
    }
    slices.put(name, new Slice(pieces, 1, List.of(rows, columns * config.shards())));
  }

  /** One row a shard. */
  private void perShard(String name, String meta) {
    long k = sizes.headDim();
    List<Slice.Piece> pieces = new ArrayList<>();
    for (int s = 0; s < config.shards(); s++) {
      pieces.add(new Slice.Piece(weights.require(shard(s) + meta, k).name(), 0, k));
    }
    slices.put(name, new Slice(pieces, 0, List.of((long) config.shards(), k)));
  }

  /** The same in every shard. */
  private void replicated(String name, String meta) {
    for (int s = 0; s < config.shards(); s++) {
      TensorSpec spec = weights.require(shard(s) + meta, sizes.hiddenSize());
      slices.putIfAbsent(name, Slice.of(spec));
    }
  }

  private String shard(int shard) {
    return MetaFolder.prefix(shard, config.shards());
  }
}
