# Tensor names are those of the HF-native layout; the original layout is renamed when it is bound.


class JanusTransformer(Module):
    def mlp_gelu(self, x: Tensor, w: Dict[str, Tensor], p: str) -> Tensor:
        # fc1, then GELU (erf) and a linear for each hidden layer; x: [..., C] -> [..., D]
        x = __torch__.core.nn.linear.linear(x, w, p + "fc1")
        i = 0
        while (p + "hidden_layers." + str(i) + ".weight") in w:
            x = __torch__.core.nn.linear.linear(torch.gelu(x), w, p + "hidden_layers." + str(i))
            i += 1
        return x

    def decoder_layer(self, h: Tensor, w: Dict[str, Tensor], p: str, keys: Tensor, values: Tensor,
            rope: Tensor, pos: int, mask: Optional[Tensor], last: bool, head_dim: int,
            eps: float) -> Tensor:
        # h: [B, T, D] -> [B, T, D]; Llama: RMSNorm, rotary attention, SwiGLU. last: whether only the
        # last position is wanted -> [B, 1, D]; of the others that one sees their keys and values,
        # and all else is a row's own, so it differs by the rounding of smaller products alone
        a = p + "self_attn."
        x = __torch__.core.nn.norm.rms_norm(h, w[p + "input_layernorm.weight"], eps)
        q, k, v = __torch__.core.nn.linear.qkv(x, w, a, "", keys.shape[1] * head_dim)
        k = __torch__.core.nn.rope.rotate_half(__torch__.core.nn.attention.split_heads(k,
                head_dim), rope)
        v = __torch__.core.nn.attention.split_heads(v, head_dim)
        if last:
            at = h.shape[1] - 1
            h = h.narrow(1, at, 1)
            q = q.narrow(1, at, 1)
            rope = rope.narrow(1, at, 1)
        q = __torch__.core.nn.rope.rotate_half(__torch__.core.nn.attention.split_heads(q,
                head_dim), rope)
        x = __torch__.core.nn.attention.attend_cached(q, k, v, keys, values, pos, mask)
        x = __torch__.core.nn.attention.merge_heads(x)
        h = __torch__.core.nn.linear.linear(x, w, a + "o_proj").add_(h)
        x = __torch__.core.nn.norm.rms_norm(h, w[p + "post_attention_layernorm.weight"], eps)
        return __torch__.core.nn.linear.swiglu(x, w, p + "mlp.").add_(h)

    def language_model(self, h: Tensor, cache: List[Tensor], rope: Tensor, pos: int, last: bool,
            head_dim: int, eps: float, w: Dict[str, Tensor]) -> Tensor:
        # h: [B, T, D] embeddings of positions pos to pos+T-1 -> [B, T, D] after the last layer, [B, 1, D]
        # where only the last position is wanted
        T = h.shape[1]
        here = rope.narrow(1, pos, T)
        none: List[int] = []
        mask = __torch__.core.nn.mask.added(T, pos, none, h)
        L = len(cache) // 2
        for i in range(L):
            p = "model.language_model.layers." + str(i) + "."
            h = self.decoder_layer(h, w, p, cache[2 * i], cache[2 * i + 1], here, pos, mask,
                    last and T > 1 and i == L - 1, head_dim, eps)
        return h

    def last_hidden(self, h: Tensor, cache: List[Tensor], rope: Tensor, pos: int, head_dim: int,
            eps: float, w: Dict[str, Tensor]) -> Tensor:
        # h: [B, T, D] embeddings of positions pos to pos+T-1 -> [B, D] of the last one, after the
        # final norm
        h = self.language_model(h, cache, rope, pos, True, head_dim, eps, w)
        norm = w["model.language_model.norm.weight"]
        return __torch__.core.nn.norm.rms_norm(h[:, -1], norm, eps)

    def text_logits(self, x: Tensor, w: Dict[str, Tensor]) -> Tensor:
        # x: [B, D] -> [B, V] float32; a tied head is the embedding table
        if "lm_head.weight" in w:
            return __torch__.core.nn.linear.linear(x, w, "lm_head").float()
        return torch.linear(x, w["model.language_model.embed_tokens.weight"]).float()

    def image_logits(self, x: Tensor, w: Dict[str, Tensor]) -> Tensor:
        # x: [B, D] -> [B, E] float32; the generation head only, never lm_head
        p = "model.generation_head."
        x = torch.gelu(__torch__.core.nn.linear.linear(x, w, p + "proj_out"))
        return __torch__.core.nn.linear.linear(x, w, p + "vision_head").float()

    def embed_codes(self, codes: Tensor, w: Dict[str, Tensor]) -> Tensor:
        # codes: [N] -> [N, 1, D]; a code of -1 (logits not finite) reads row 0, the caller ends the
        # run
        x = torch.embedding(w["model.generation_embeddings.weight"], codes.clamp_min(0))
        return self.mlp_gelu(x, w, "model.generation_aligner.").unsqueeze(1)

    def code_logits(self, x: Tensor, n: int, guidance: float, w: Dict[str, Tensor]) -> Tensor:
        # x: [R, D] hidden states, R = n or 2n rows -> [n, E] float32
        logits = self.image_logits(x, w)
        if x.shape[0] > n:
            return __torch__.core.nn.sampling.guide(logits, guidance)
        return logits

    def next_codes(self, x: Tensor, guidance: float, greedy: bool, temperature: float, top_k: int,
            top_p: float, bits: Tensor, w: Dict[str, Tensor]) -> Tensor:
        # x: [R, D] hidden states, R = N or 2N rows; bits: [N] -> [N]
        logits = self.code_logits(x, bits.shape[0], guidance, w)
        return __torch__.core.nn.sampling.sample(logits, greedy, temperature, top_k, top_p, bits)

    def rope_table(self, length: int, head_dim: int, theta: float, w: Dict[str, Tensor]) -> Tensor:
        # -> [2, length, K]
        like = w["model.language_model.norm.weight"]
        return __torch__.core.nn.rope.table(length, head_dim, theta, like)

    def new_cache(self, layers: int, batch: int, kv_heads: int, head_dim: int, capacity: int,
            turned: bool, w: Dict[str, Tensor]) -> List[Tensor]:
        like = w["model.language_model.norm.weight"]
        return __torch__.core.nn.attention.new_cache(layers, batch, kv_heads, head_dim, capacity,
                turned, like)

    def copy_cache(self, source: List[Tensor], target: List[Tensor], length: int,
            repeats: int) -> int:
        __torch__.core.nn.attention.copy_cache(source, target, length, repeats)
        return length

    def vision_model(self, pixels: Tensor, head_dim: int, layers: int, eps: float, w: Dict[str,
            Tensor]) -> Tensor:
        # pixels: [N, 3, Y, X] float32 -> [N, P, Dv] tokens after the final norm
        return __torch__.core.nn.siglip.tower(pixels, w, "model.vision_model.", "projection_layer",
                layers, head_dim, eps, False)

    def encode_images(self, pixels: Tensor, head_dim: int, layers: int, eps: float, w: Dict[str,
            Tensor]) -> Tensor:
        # pixels: [N, 3, Y, X] float32 -> [N, P, D] what the language model reads
        return self.mlp_gelu(self.vision_model(pixels, head_dim, layers, eps, w), w,
                "model.aligner.")

    def embed_tokens(self, ids: Tensor, w: Dict[str, Tensor]) -> Tensor:
        # ids: [B, T] -> [B, T, D]
        return torch.embedding(w["model.language_model.embed_tokens.weight"], ids)

    def place_images(self, embeds: Tensor, features: Tensor, positions: Tensor) -> Tensor:
        # embeds: [1, T, D], features: [N, P, D], positions: [N*P] -> [1, T, D]
        return embeds.index_copy(1, positions, features.flatten(0, 1).unsqueeze(0))

    def narrow(self, embeds: Tensor, first: int, length: int) -> Tensor:
        # [B, T, D] -> [B, length, D]. Contiguous down to the stride of a batch of one: where that is
        # not length * D, the product with a weight becomes one of batches, half as fast again
        B, T, D = embeds.shape
        return embeds.narrow(1, first, length).contiguous().view(B, length, D)

    def prefill(self, embeds: Tensor, cache: List[Tensor], rope: Tensor, pos: int, head_dim: int,
            eps: float, w: Dict[str, Tensor]) -> Tensor:
        # embeds: [B, T, D] of positions pos to pos+T-1 -> [B, D] hidden state of the last one
        return self.last_hidden(embeds, cache, rope, pos, head_dim, eps, w)

    def first_token(self, hidden: Tensor, seen: Tensor, penalty: float, greedy: bool,
            temperature: float, top_k: int, top_p: float, bits: Tensor, w: Dict[str,
            Tensor]) -> Tensor:
        # hidden: [1, D] -> [1] token id
        logits = self.text_logits(hidden, w)
        if penalty != 1.0:
            logits = __torch__.core.nn.sampling.penalise(logits, seen, penalty)
        return __torch__.core.nn.sampling.sample(logits, greedy, temperature, top_k, top_p, bits)

    def decode_text(self, ids: Tensor, cache: List[Tensor], rope: Tensor, pos: int, head_dim: int,
            eps: float, seen: Tensor, penalty: float, greedy: bool, temperature: float,
            top_k: int, top_p: float, bits: Tensor, w: Dict[str, Tensor]) -> Tensor:
        # ids: [1], the token at position pos -> [1], the one after it
        h = torch.embedding(w["model.language_model.embed_tokens.weight"], ids).unsqueeze(1)
        hidden = self.last_hidden(h, cache, rope, pos, head_dim, eps, w)
        return self.first_token(hidden, seen, penalty, greedy, temperature, top_k, top_p, bits, w)

    def new_codes(self, images: int, tokens: int, w: Dict[str, Tensor]) -> Tensor:
        # -> [N, P] int64, -1 where no code is known yet
        return torch.full([images, tokens], -1, dtype=4,
                device=w["model.language_model.norm.weight"].device)

    def first_codes(self, hidden: Tensor, codes: Tensor, guidance: float, greedy: bool,
            temperature: float, top_k: int, top_p: float, bits: Tensor, w: Dict[str,
            Tensor]) -> Tensor:
        # hidden: [1 or 2, D], one prompt for all pictures; bits: [N, P]; fills codes[:, 0] -> [N]
        x = hidden.repeat_interleave(codes.shape[0], 0)
        step = self.next_codes(x, guidance, greedy, temperature, top_k, top_p, bits[:, 0], w)
        codes.select(1, 0).copy_(step)
        return step

    def read_codes(self, step: int, codes: Tensor, guided: bool, cache: List[Tensor],
            rope: Tensor, pos: int, head_dim: int, eps: float, w: Dict[str, Tensor]) -> Tensor:
        # reads codes[:, step-1] at position pos -> [N or 2N, D]
        h = self.embed_codes(codes.select(1, step - 1), w)
        if guided:
            h = torch.cat([h, h])
        return self.last_hidden(h, cache, rope, pos, head_dim, eps, w)

    def put_codes(self, codes: Tensor, step: int, found: Tensor) -> int:
        # found: [N], the codes of column `step` as somebody else chose them
        codes.select(1, step).copy_(found)
        return step

    def decode_codes(self, step: int, codes: Tensor, guided: bool, cache: List[Tensor],
            rope: Tensor, pos: int, head_dim: int, eps: float, guidance: float, greedy: bool,
            temperature: float, top_k: int, top_p: float, bits: Tensor, w: Dict[str,
            Tensor]) -> Tensor:
        # reads codes[:, step-1] at position pos, fills codes[:, step] -> [N]
        hidden = self.read_codes(step, codes, guided, cache, rope, pos, head_dim, eps, w)
        found = self.next_codes(hidden, guidance, greedy, temperature, top_k, top_p,
                bits.select(1, step), w)
        codes.select(1, step).copy_(found)
        return found

    def hidden_states(self, embeds: Tensor, cache: List[Tensor], rope: Tensor, head_dim: int,
            eps: float, w: Dict[str, Tensor]) -> Tensor:
        # embeds: [B, T, D] -> [L + 2, B, T, D] float32: embeddings, every layer, the final norm
        here = rope.narrow(1, 0, embeds.shape[1])
        states = [embeds.float()]
        h = embeds
        for i in range(len(cache) // 2):
            p = "model.language_model.layers." + str(i) + "."
            h = self.decoder_layer(h, w, p, cache[2 * i], cache[2 * i + 1], here, 0, None, False,
                    head_dim, eps)
            states.append(h.float())
        norm = w["model.language_model.norm.weight"]
        states.append(__torch__.core.nn.norm.rms_norm(h, norm, eps).float())
        return torch.stack(states)

    def all_logits(self, embeds: Tensor, cache: List[Tensor], rope: Tensor, head_dim: int,
            eps: float, images: bool, w: Dict[str, Tensor]) -> Tensor:
        # embeds: [B, T, D] -> [B, T, V or E] float32 logits at every position
        h = self.language_model(embeds, cache, rope, 0, False, head_dim, eps, w)
        x = __torch__.core.nn.norm.rms_norm(h, w["model.language_model.norm.weight"], eps)
        if images:
            return self.image_logits(x, w)
        return self.text_logits(x, w)

    def embed_image_codes(self, codes: Tensor, w: Dict[str, Tensor]) -> Tensor:
        # codes: [N] -> [N, 1, D] float32
        return self.embed_codes(codes, w).float()

    def to_float(self, x: Tensor) -> Tensor:
        return x.float()
