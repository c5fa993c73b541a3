# Tensor names are those of the HF-native layout. w also holds what the vocabulary adds when the model
# is loaded: image_ids [E] the token of every image code, image_head.weight [E, D] their rows of the
# output head, may_say and may_say_or_draw [V] bool, what may be sampled while text is written.
# `how` is (greedy, temperature, top_k, top_p), `scales` the guidance: (text, image).


class DiscreteTransformer(Module):
    def head_norm(self, x: Tensor, w: Dict[str, Tensor], p: str) -> Tensor:
        # x: [B, T, H, K] -> [B, T, H, K]; LayerNorm over K, weights [K] or [S, K] of S groups of
        # heads
        x = torch.layer_norm(x, [x.shape[3]], None, None, 1e-05)
        weight = w[p + ".weight"]
        bias = w[p + ".bias"]
        if weight.dim() == 2:
            if weight.shape[0] != x.shape[2]:
                weight = weight.repeat_interleave(x.shape[2] // weight.shape[0], 0)
                bias = bias.repeat_interleave(x.shape[2] // bias.shape[0], 0)
        return x * weight + bias

    def turn(self, x: Tensor, rope: Tensor, interleaved: bool) -> Tensor:
        # x: [B, H, T, K] -> [B, H, T, K]
        if interleaved:
            return __torch__.core.nn.rope.rotate_pairs(x, rope)
        return __torch__.core.nn.rope.rotate_half(x, rope)

    def attention(self, x: Tensor, w: Dict[str, Tensor], p: str, layer: int,
            caches: List[List[Tensor]], rope: Tensor, positions: List[int],
            masks: List[Optional[Tensor]], last: bool, head_dim: int, interleaved: bool) -> Tensor:
        # x: [B, T, D] -> [B, T, D], of the last position alone [B, 1, D]; the rows are as many equal
        # groups as there are caches
        B, T, D = x.shape
        kv = caches[0][2 * layer].shape[1] * head_dim
        q, k, v = __torch__.core.nn.linear.qkv(x, w, p, "", kv)
        k = k.view(B, T, k.shape[2] // head_dim, head_dim)
        v = v.view(B, T, v.shape[2] // head_dim, head_dim).transpose(1, 2)
        if last:
            q = q.narrow(1, T - 1, 1)
        q = q.view(B, q.shape[1], q.shape[2] // head_dim, head_dim)
        if (p + "q_norm.weight") in w:
            q = self.head_norm(q, w, p + "q_norm")
            k = self.head_norm(k, w, p + "k_norm")
        k = self.turn(k.transpose(1, 2), rope, interleaved)
        if last:
            rope = rope.narrow(-2, T - 1, 1)
        q = self.turn(q.transpose(1, 2), rope, interleaved)
        if len(caches) == 1:
            x = __torch__.core.nn.attention.attend_cached(q, k, v, caches[0][2 * layer],
                    caches[0][2 * layer + 1], positions[0], masks[0])
        else:
            n = B // len(caches)
            found: List[Tensor] = []
            for g in range(len(caches)):
                found.append(__torch__.core.nn.attention.attend_cached(q.narrow(0, g * n, n),
                        k.narrow(0, g * n, n), v.narrow(0, g * n, n), caches[g][2 * layer],
                        caches[g][2 * layer + 1], positions[g], masks[g]))
            x = torch.cat(found)
        x = __torch__.core.nn.attention.merge_heads(x)
        return __torch__.core.nn.linear.linear(x, w, p + "o_proj")

    def decoder_layer(self, h: Tensor, w: Dict[str, Tensor], layer: int,
            caches: List[List[Tensor]], rope: Tensor, positions: List[int],
            masks: List[Optional[Tensor]], last: bool, head_dim: int, shape: Tuple[float, bool,
            bool]) -> Tensor:
        # h: [B, T, D] -> [B, T, D]; shape: (eps, swin_norm, interleaved). last: whether only the last
        # position is wanted -> [B, 1, D]; of the others that one sees their keys and values, and all
        # else is a row's own, so it differs by the rounding of smaller products alone
        eps, swin, interleaved = shape
        own = h.narrow(1, h.shape[1] - 1, 1) if last else h
        p = "model.layers." + str(layer) + "."
        before = w[p + "input_layernorm.weight"]
        after = w[p + "post_attention_layernorm.weight"]
        if swin:
            x = self.attention(h, w, p + "self_attn.", layer, caches, rope, positions, masks, last,
                    head_dim, interleaved)
            h = __torch__.core.nn.norm.rms_norm(x, before, eps).add_(own)
            x = __torch__.core.nn.linear.swiglu(h, w, p + "mlp.")
            return __torch__.core.nn.norm.rms_norm(x, after, eps).add_(h)
        x = __torch__.core.nn.norm.rms_norm(h, before, eps)
        h = self.attention(x, w, p + "self_attn.", layer, caches, rope, positions, masks, last,
                head_dim, interleaved).add_(own)
        x = __torch__.core.nn.norm.rms_norm(h, after, eps)
        return __torch__.core.nn.linear.swiglu(x, w, p + "mlp.").add_(h)

    def rope_at(self, rope: Tensor, positions: List[int], length: int, rows: int) -> Tensor:
        # -> [2, length, K], or [2, G * rows, 1, length, K] for G groups
        if len(positions) == 1:
            return rope.narrow(1, positions[0], length)
        found: List[Tensor] = []
        for pos in positions:
            here = rope.narrow(1, pos, length).unsqueeze(1).unsqueeze(1)
            found.append(here.expand(2, rows, 1, length, rope.shape[2]))
        return torch.cat(found, 1)

    def layers(self, h: Tensor, caches: List[List[Tensor]], rope: Tensor, positions: List[int],
            last: bool, head_dim: int, shape: Tuple[float, bool, bool], w: Dict[str,
            Tensor]) -> Tensor:
        # h: [B, T, D] embeddings; group g of the rows stands at positions[g] -> [B, T, D], [B, 1, D]
        # where only the last position is wanted
        T = h.shape[1]
        here = self.rope_at(rope, positions, T, h.shape[0] // len(caches))
        none: List[int] = []
        masks = __torch__.core.nn.mask.each(T, positions, none, h)
        L = len(caches[0]) // 2
        for i in range(L):
            h = self.decoder_layer(h, w, i, caches, here, positions, masks,
                    last and T > 1 and i == L - 1, head_dim, shape)
        return h

    def last_hidden(self, h: Tensor, caches: List[List[Tensor]], rope: Tensor,
            positions: List[int], head_dim: int, shape: Tuple[float, bool, bool], w: Dict[str,
            Tensor]) -> Tensor:
        # h: [B, T, D] embeddings -> [B, D] of the last position, after the final norm
        h = self.layers(h, caches, rope, positions, True, head_dim, shape, w)
        return __torch__.core.nn.norm.rms_norm(h[:, -1], w["model.norm.weight"], shape[0])

    def head(self, w: Dict[str, Tensor]) -> Tensor:
        # -> [V, D]; a tied head is the embedding table
        if "lm_head.weight" in w:
            return w["lm_head.weight"]
        return w["model.embed_tokens.weight"]

    def code_logits(self, x: Tensor, n: int, scales: Tuple[float, float], w: Dict[str,
            Tensor]) -> Tensor:
        # x: [G * n, D], full context before image-only before none -> [n, E] float32
        logits = torch.linear(x, w["image_head.weight"]).float()
        if x.shape[0] == 2 * n:
            return __torch__.core.nn.sampling.guide(logits, scales[0])
        if x.shape[0] == 3 * n:
            return __torch__.core.nn.sampling.guide_twice(logits, scales[0], scales[1])
        return logits

    def next_codes(self, x: Tensor, n: int, scales: Tuple[float, float], how: Tuple[bool, float,
            int, float], bits: Tensor, w: Dict[str, Tensor]) -> Tensor:
        # x: [G * n, D], full context before image-only before none; bits: [n] -> [n] codes
        logits = self.code_logits(x, n, scales, w)
        greedy, temperature, top_k, top_p = how
        return __torch__.core.nn.sampling.sample(logits, greedy, temperature, top_k, top_p, bits)

    def word_logits(self, hidden: Tensor, may_draw: bool, w: Dict[str, Tensor]) -> Tensor:
        # hidden: [1, D] -> [1, V] float32, -inf for what may not come next
        allowed = w["may_say_or_draw" if may_draw else "may_say"]
        return torch.linear(hidden, self.head(w)).float().masked_fill(~allowed, -inf)

    def choice_logits(self, hidden: Tensor, choices: Tensor, w: Dict[str, Tensor]) -> Tensor:
        # hidden: [1, D], choices: [M] ids -> [1, V] float32, -inf for all others
        logits = torch.linear(hidden, self.head(w)).float()
        others = torch.ones_like(logits, dtype=11).index_fill(1, choices, False)
        return logits.masked_fill(others, -inf)

    def first_code_logits(self, hidden: List[Tensor], scales: Tuple[float, float], w: Dict[str,
            Tensor]) -> Tensor:
        # hidden: G of [1, D] -> [1, E] float32
        return self.code_logits(torch.cat(hidden), 1, scales, w)

    def put_codes(self, codes: Tensor, step: int, found: Tensor) -> int:
        # found: [N], the codes of column `step` as somebody else chose them
        codes.select(1, step).copy_(found)
        return step

    def next_token(self, hidden: Tensor, may_draw: bool, seen: Tensor, penalty: float,
            how: Tuple[bool, float, int, float], bits: Tensor, w: Dict[str, Tensor]) -> Tensor:
        # hidden: [1, D] -> [1] token id: text, the end, or the beginning of a picture
        raw = torch.linear(hidden, self.head(w)).float()
        allowed = w["may_say_or_draw" if may_draw else "may_say"]
        return __torch__.core.nn.sampling.next_token(raw, allowed, seen, penalty, how, bits)

    def rope_table(self, length: int, head_dim: int, theta: float, w: Dict[str, Tensor]) -> Tensor:
        # -> [2, length, K]
        return __torch__.core.nn.rope.table(length, head_dim, theta, w["model.norm.weight"])

    def add_vocabulary(self, w: Dict[str, Tensor], image_ids: Tensor, text_ids: Tensor,
            begin_of_image: int) -> int:
        # Where the codes' tokens follow each other their rows of the head are a view, no copy.
        head = self.head(w)
        first = int(image_ids[0].item())
        count = image_ids.shape[0]
        # A copy, because the argument lives in a buffer that is collected after the call.
        w["image_ids"] = image_ids.clone()
        if int(image_ids[count - 1].item()) - first == count - 1:
            w["image_head.weight"] = head.narrow(0, first, count)
        else:
            w["image_head.weight"] = head.index_select(0, image_ids)
        may_say = torch.zeros([head.shape[0]], dtype=11, device=head.device)
        may_say.index_fill_(0, text_ids, True)
        w["may_say"] = may_say
        may_draw = may_say.clone()
        may_draw.narrow(0, begin_of_image, 1).fill_(True)
        w["may_say_or_draw"] = may_draw
        return count

    def shape(self, eps: float, swin: bool, interleaved: bool) -> Tuple[float, bool, bool]:
        return (eps, swin, interleaved)

    def how(self, greedy: bool, temperature: float, top_k: int, top_p: float) -> Tuple[bool, float,
            int, float]:
        return (greedy, temperature, top_k, top_p)

    def scales(self, text: float, image: float) -> Tuple[float, float]:
        return (text, image)

    def new_cache(self, layers: int, batch: int, kv_heads: int, head_dim: int, capacity: int,
            turned: bool, w: Dict[str, Tensor]) -> List[Tensor]:
        return __torch__.core.nn.attention.new_cache(layers, batch, kv_heads, head_dim, capacity,
                turned, w["model.norm.weight"])

    def copy_cache(self, source: List[Tensor], target: List[Tensor], length: int,
            repeats: int) -> int:
        __torch__.core.nn.attention.copy_cache(source, target, length, repeats)
        return length

    def copy_row(self, source: List[Tensor], row: int, target: List[Tensor], first: int,
            length: int) -> int:
        # positions first to first+length-1 of one row of many into a cache of one row
        for i in range(len(source)):
            target[i].narrow(2, first, length).copy_(source[i].narrow(0, row, 1).narrow(2, first,
                    length))
        return length

    def one(self, a: List[Tensor]) -> List[List[Tensor]]:
        return [a]

    def two(self, a: List[Tensor], b: List[Tensor]) -> List[List[Tensor]]:
        return [a, b]

    def three(self, a: List[Tensor], b: List[Tensor], c: List[Tensor]) -> List[List[Tensor]]:
        return [a, b, c]

    def prefill(self, ids: Tensor, caches: List[List[Tensor]], rope: Tensor, positions: List[int],
            head_dim: int, shape: Tuple[float, bool, bool], w: Dict[str, Tensor]) -> Tensor:
        # ids: [B, T] from the positions on -> [B, D] hidden state of the last one
        h = torch.embedding(w["model.embed_tokens.weight"], ids)
        return self.last_hidden(h, caches, rope, positions, head_dim, shape, w)

    def decode_text(self, ids: Tensor, caches: List[List[Tensor]], rope: Tensor,
            positions: List[int], head_dim: int, shape: Tuple[float, bool, bool], may_draw: bool,
            seen: Tensor, penalty: float, how: Tuple[bool, float, int, float], bits: Tensor,
            w: Dict[str, Tensor]) -> Tensor:
        # ids: [1, T], the tokens from the position on -> [1], the one after them
        hidden = self.prefill(ids, caches, rope, positions, head_dim, shape, w)
        return self.next_token(hidden, may_draw, seen, penalty, how, bits, w)

    def decode_choice(self, ids: Tensor, caches: List[List[Tensor]], rope: Tensor,
            positions: List[int], head_dim: int, shape: Tuple[float, bool, bool], choices: Tensor,
            how: Tuple[bool, float, int, float], bits: Tensor, w: Dict[str, Tensor]) -> Tensor:
        # ids: [1, T], the tokens from the position on; choices: [M] ids -> [1], one of them, or -1
        hidden = self.prefill(ids, caches, rope, positions, head_dim, shape, w)
        logits = torch.linear(hidden, self.head(w).index_select(0, choices)).float()
        greedy, temperature, top_k, top_p = how
        at = __torch__.core.nn.sampling.sample(logits, greedy, temperature, top_k, top_p, bits)
        return torch.where(at < 0, at, choices.index_select(0, at.clamp_min(0)))

    def new_codes(self, images: int, codes: int, w: Dict[str, Tensor]) -> Tensor:
        # -> [N, P] int64, -1 where no code is known yet
        return torch.full([images, codes], -1, dtype=4, device=w["model.norm.weight"].device)

    def first_codes(self, hidden: List[Tensor], codes: Tensor, scales: Tuple[float, float],
            how: Tuple[bool, float, int, float], bits: Tensor, w: Dict[str, Tensor]) -> Tensor:
        # hidden: G of [1, D], shared by all pictures; bits: [N, P]; fills codes[:, 0] -> [N]
        n = codes.shape[0]
        x = torch.cat(hidden).repeat_interleave(n, 0)
        found = self.next_codes(x, n, scales, how, bits.select(1, 0), w)
        codes.select(1, 0).copy_(found)
        return found

    def read_codes(self, step: int, codes: Tensor, behind: Tensor, caches: List[List[Tensor]],
            rope: Tensor, positions: List[int], head_dim: int, shape: Tuple[float, bool, bool],
            w: Dict[str, Tensor]) -> Tensor:
        # reads codes[:, step-1] and the tokens behind them, [F] and the same for all pictures ->
        # [G * N, D]. A code of -1 (logits not finite) reads as code 0, the caller ends the run.
        n = codes.shape[0]
        last = w["image_ids"].index_select(0, codes.select(1, step - 1).clamp_min(0)).unsqueeze(1)
        ids = torch.cat([last, behind.unsqueeze(0).expand(n, behind.shape[0])], 1)
        h = torch.embedding(w["model.embed_tokens.weight"], ids).repeat(len(caches), 1, 1)
        return self.last_hidden(h, caches, rope, positions, head_dim, shape, w)

    def decode_codes(self, step: int, codes: Tensor, behind: Tensor, caches: List[List[Tensor]],
            rope: Tensor, positions: List[int], head_dim: int, shape: Tuple[float, bool, bool],
            scales: Tuple[float, float], how: Tuple[bool, float, int, float], bits: Tensor,
            w: Dict[str, Tensor]) -> Tensor:
        # reads codes[:, step-1] and the tokens behind them; fills codes[:, step] -> [N]
        hidden = self.read_codes(step, codes, behind, caches, rope, positions, head_dim, shape, w)
        found = self.next_codes(hidden, codes.shape[0], scales, how, bits.select(1, step), w)
        codes.select(1, step).copy_(found)
        return found

    def hidden_states(self, ids: Tensor, caches: List[List[Tensor]], rope: Tensor, head_dim: int,
            shape: Tuple[float, bool, bool], w: Dict[str, Tensor]) -> Tensor:
        # ids: [B, T] -> [L + 2, B, T, D] float32: embeddings, every layer, the final norm
        here = rope.narrow(1, 0, ids.shape[1])
        h = torch.embedding(w["model.embed_tokens.weight"], ids)
        none: List[int] = []
        masks = __torch__.core.nn.mask.each(ids.shape[1], [0], none, h)
        states = [h.float()]
        for i in range(len(caches[0]) // 2):
            h = self.decoder_layer(h, w, i, caches, here, [0], masks, False, head_dim, shape)
            states.append(h.float())
        states.append(__torch__.core.nn.norm.rms_norm(h, w["model.norm.weight"], shape[0]).float())
        return torch.stack(states)

    def all_logits(self, ids: Tensor, caches: List[List[Tensor]], rope: Tensor, head_dim: int,
            shape: Tuple[float, bool, bool], w: Dict[str, Tensor]) -> Tensor:
        # ids: [B, T] -> [B, T, V] float32, nothing masked
        h = torch.embedding(w["model.embed_tokens.weight"], ids)
        h = self.layers(h, caches, rope, [0], False, head_dim, shape, w)
        x = __torch__.core.nn.norm.rms_norm(h, w["model.norm.weight"], shape[0])
        return torch.linear(x, self.head(w)).float()
