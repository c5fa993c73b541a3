class MixedSequence(Module):
    def mask(self, T: int, S: int, pos: int, blocks: List[int], like: Tensor) -> Tensor:
        return __torch__.core.nn.mask.mixed(T, S, pos, blocks, like).type(4)

    def read(self, h: Tensor, cuts: List[int], blocks: List[int], layers: int, kv_heads: int,
            shape: Tuple[int, float], w: Dict[str, Tensor]) -> Tensor:
        # h: [B, T, D], read in pieces that end at the cuts; blocks: begin and end of pictures
        # -> [B, T, D] after the last layer
        B, T, D = h.shape
        cache = __torch__.core.nn.attention.new_cache(layers, B, kv_heads, shape[0], T + 3, False, h)
        found: List[Tensor] = []
        begin = 0
        for end in cuts:
            inside: List[int] = []
            for i in range(len(blocks) // 2):
                if blocks[2 * i] >= begin and blocks[2 * i + 1] <= end:
                    inside.append(blocks[2 * i] - begin)
                    inside.append(blocks[2 * i + 1] - begin)
            at = torch.arange(begin, end, dtype=4).unsqueeze(0)
            span = ([begin], at, inside, inside)
            found.append(__torch__.models.denoising.decoder.layers(h.narrow(1, begin, end - begin),
                    [cache], span, shape, w))
            begin = end
        return torch.cat(found, 1)

    def finish(self, h: Tensor, shape: Tuple[int, float], w: Dict[str, Tensor]) -> Tensor:
        return __torch__.models.denoising.decoder.words(h, shape, w)

    def norm(self, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        return x * torch.rsqrt((x * x).mean(-1, True) + eps) * weight

    def chosen(self, x: Tensor, w: Dict[str, Tensor], p: str, name: str, tail: str,
            of_picture: Tensor) -> Tensor:
        # both sets of weights on all rows, and the right one of the two for each
        words = torch.linear(x, w[p + name + tail + ".weight"], w.get(p + name + tail + ".bias"))
        drawn = torch.linear(x, w[p + name + "_image" + tail + ".weight"], w.get(p + name + "_image"
                + tail + ".bias"))
        return torch.where(of_picture, drawn, words)

    def chosen_norm(self, x: Tensor, w: Dict[str, Tensor], name: str, of_picture: Tensor,
            eps: float) -> Tensor:
        return torch.where(of_picture, self.norm(x, w[name + "_image.weight"], eps), self.norm(x,
                w[name + ".weight"], eps))

    def plainly(self, h: Tensor, of_picture: Tensor, seen: Tensor, layers: int, shape: Tuple[int,
            float], w: Dict[str, Tensor]) -> Tensor:
        # h: [B, T, D], of_picture: [T] 0 or 1, seen: [T, T] 0 or 1 -> [B, T, D]; the same without
        # cache, gathering or fused attention
        K, eps = shape
        B, T, D = h.shape
        rows = (of_picture > 0).view(1, T, 1)
        rope = w["rope.table"].narrow(1, 0, T)
        for i in range(layers):
            p = "model.layers." + str(i) + "."
            a = p + "self_attn."
            x = self.chosen_norm(h, w, p + "input_layernorm", rows, eps)
            q = self.chosen(x, w, a, "q_proj", "", rows).view(B, T, -1, K)
            k = self.chosen(x, w, a, "k_proj", "", rows).view(B, T, -1, K)
            v = self.chosen(x, w, a, "v_proj", "", rows).view(B, T, -1, K).transpose(1, 2)
            every = rows.unsqueeze(3)
            q = self.chosen_norm(q, w, a + "q_norm", every, eps).transpose(1, 2)
            k = self.chosen_norm(k, w, a + "k_norm", every, eps).transpose(1, 2)
            q = __torch__.core.nn.rope.rotate_half(q, rope)
            k = __torch__.core.nn.rope.rotate_half(k, rope)
            k = k.repeat_interleave(q.shape[1] // k.shape[1], 1)
            v = v.repeat_interleave(q.shape[1] // v.shape[1], 1)
            scores = torch.matmul(q, k.transpose(2, 3)) / K ** 0.5
            x = torch.matmul(torch.softmax(scores.masked_fill(seen == 0, -inf), -1), v)
            x = x.transpose(1, 2).reshape(B, T, -1)
            h = h + self.chosen(x, w, a, "o_proj", "", rows)
            x = self.chosen_norm(h, w, p + "post_attention_layernorm", rows, eps)
            gate = torch.silu(self.chosen(x, w, p, "mlp", ".gate_proj", rows))
            x = gate * self.chosen(x, w, p, "mlp", ".up_proj", rows)
            h = h + self.chosen(x, w, p, "mlp", ".down_proj", rows)
        return h
