# A Llama whose rows may be of words or of pictures. Where a checkpoint has two sets of weights (a
# mixture of transformers), those of pictures end in "_image": self_attn.q_proj_image, mlp_image.up_proj,
# norm_image; every row is computed by its own, and all rows see each other in the attention between.
#
# w: names of HF Llama, and rope.table [2, L, K]. shape: (head_dim, eps). Rows of a batch are as many
# equal groups as there are caches. span says of T new rows, the same for all groups but for where they
# stand: (lengths [G], what each cache holds before them; at [G, T], their positions in RoPE; blocks,
# begin and end of rows that all see each other; pictures, begin and end of rows of pictures), the last
# two counted from the first new row. Keys and values are written behind the length; whether the length
# moves is the caller's to say, so a noisy picture is simply overwritten by the next step.


def branches(pictures: List[int], T: int, w: Dict[str, Tensor], like: Tensor) -> Tuple[List[str],
        List[Tensor], Tensor]:
    # -> endings of the names of the weights that are needed, the rows of each, and where every row is
    # found when the rows of the second stand behind those of the first
    inside = 0
    for i in range(len(pictures) // 2):
        inside += pictures[2 * i + 1] - pictures[2 * i]
    rows: List[Tensor] = []
    none = torch.zeros([0], dtype=4, device=like.device)
    if inside == 0 or not ("model.norm_image.weight" in w):
        return ([""], rows, none)
    if inside == T:
        return (["_image"], rows, none)
    words: List[Tensor] = []
    drawn: List[Tensor] = []
    end = 0
    for i in range(len(pictures) // 2):
        words.append(torch.arange(end, pictures[2 * i], dtype=4, device=like.device))
        end = pictures[2 * i + 1]
        drawn.append(torch.arange(pictures[2 * i], end, dtype=4, device=like.device))
    words.append(torch.arange(end, T, dtype=4, device=like.device))
    rows = [torch.cat(words), torch.cat(drawn)]
    return (["", "_image"], rows, torch.argsort(torch.cat(rows)))


def parted(x: Tensor, rows: List[Tensor]) -> List[Tensor]:
    # x: [B, T, ...] -> the rows of each branch, [B, t, ...]
    if len(rows) == 0:
        return [x]
    return [x.index_select(1, rows[0]), x.index_select(1, rows[1])]


def joined(parts: List[Tensor], order: Tensor) -> Tensor:
    # the rows of each branch, [B, t, ...] -> [B, T, ...]
    if len(parts) == 1:
        return parts[0]
    return torch.cat(parts, 1).index_select(1, order)


def heads(y: Tensor, w: Dict[str, Tensor], norm: str, shape: Tuple[int, float]) -> Tensor:
    # y: [B, T, H*K] -> [B, T, H, K]; where there is a norm of a head, RMSNorm over K
    head_dim, eps = shape
    y = y.view(y.shape[0], y.shape[1], y.shape[2] // head_dim, head_dim)
    if norm in w:
        y = __torch__.core.nn.norm.rms_norm(y, w[norm], eps)
    return y


def attend(q: Tensor, k: Tensor, v: Tensor, caches: List[List[Tensor]], layer: int,
        lengths: List[int], blocks: List[int], masks: List[Optional[Tensor]]) -> Tensor:
    # q: [B, H, T, K]; k, v: [B, G, T, K] -> [B, H, T, K]; every group sees its own cache
    if len(caches) == 1:
        return __torch__.core.nn.attention.attend_blocks(q, k, v, caches[0][2 * layer],
                caches[0][2 * layer + 1], lengths[0], blocks, masks[0])
    n = q.shape[0] // len(caches)
    found: List[Tensor] = []
    for g in range(len(caches)):
        found.append(__torch__.core.nn.attention.attend_blocks(q.narrow(0, g * n, n),
                k.narrow(0, g * n, n), v.narrow(0, g * n, n), caches[g][2 * layer],
                caches[g][2 * layer + 1], lengths[g], blocks, masks[g]))
    return torch.cat(found)


def layer(parts: List[Tensor], route: Tuple[List[str], List[Tensor], Tensor], i: int,
        caches: List[List[Tensor]], lengths: List[int], blocks: List[int],
        masks: List[Optional[Tensor]], rope: Tensor, shape: Tuple[int, float], w: Dict[str,
        Tensor]) -> List[Tensor]:
    # parts: rows of each branch, [B, t, D] -> the same; rope: [2, T, K] or [2, B, 1, T, K]
    branch, rows, order = route
    p = "model.layers." + str(i) + "."
    a = p + "self_attn."
    q: List[Tensor] = []
    k: List[Tensor] = []
    v: List[Tensor] = []
    for b in range(len(parts)):
        norm = w[p + "input_layernorm" + branch[b] + ".weight"]
        x = __torch__.core.nn.norm.rms_norm(parts[b], norm, shape[1])
        kv = caches[0][2 * i].shape[1] * shape[0]
        own, keys, values = __torch__.core.nn.linear.qkv(x, w, a, branch[b], kv)
        q.append(__torch__.models.denoising.decoder.heads(own, w,
                a + "q_norm" + branch[b] + ".weight", shape))
        k.append(__torch__.models.denoising.decoder.heads(keys, w,
                a + "k_norm" + branch[b] + ".weight", shape))
        v.append(__torch__.models.denoising.decoder.heads(values, w, "", shape))
    x = __torch__.models.denoising.decoder.attend(
            __torch__.core.nn.rope.rotate_half(
                    __torch__.models.denoising.decoder.joined(q, order).transpose(1, 2), rope),
            __torch__.core.nn.rope.rotate_half(
                    __torch__.models.denoising.decoder.joined(k, order).transpose(1, 2), rope),
            __torch__.models.denoising.decoder.joined(v, order).transpose(1, 2), caches, i, lengths,
            blocks, masks)
    seen = __torch__.models.denoising.decoder.parted(__torch__.core.nn.attention.merge_heads(x),
            rows)
    found: List[Tensor] = []
    for b in range(len(parts)):
        h = __torch__.core.nn.linear.linear(seen[b], w, a + "o_proj" + branch[b]).add_(parts[b])
        norm = w[p + "post_attention_layernorm" + branch[b] + ".weight"]
        x = __torch__.core.nn.norm.rms_norm(h, norm, shape[1])
        found.append(__torch__.core.nn.linear.swiglu(x, w, p + "mlp" + branch[b] + ".").add_(h))
    return found


def rope_at(at: Tensor, rows: int, w: Dict[str, Tensor]) -> Tensor:
    # at: [G, T] -> [2, T, K], or for several groups of so many rows [2, G * rows, 1, T, K]
    G, T = at.shape
    table = w["rope.table"]
    here = table.index_select(1, at.reshape(-1))
    if G == 1:
        return here
    here = here.view(2, G, 1, 1, T, table.shape[2])
    return here.expand(2, G, rows, 1, T, table.shape[2]).reshape(2, G * rows, 1, T, table.shape[2])


def layers(h: Tensor, caches: List[List[Tensor]], span: Tuple[List[int], Tensor, List[int],
        List[int]], shape: Tuple[int, float], w: Dict[str, Tensor]) -> Tensor:
    # h: [B, T, D] embeddings -> [B, T, D] after the last layer, before the final norm
    lengths, at, blocks, pictures = span
    route = __torch__.models.denoising.decoder.branches(pictures, h.shape[1], w, h)
    rope = __torch__.models.denoising.decoder.rope_at(at, h.shape[0] // len(caches), w)
    masks = __torch__.core.nn.mask.each(h.shape[1], lengths, blocks, h)
    parts = __torch__.models.denoising.decoder.parted(h, route[1])
    for i in range(len(caches[0]) // 2):
        parts = __torch__.models.denoising.decoder.layer(parts, route, i, caches, lengths, blocks,
                masks, rope, shape, w)
    return __torch__.models.denoising.decoder.joined(parts, route[2])


def words(h: Tensor, shape: Tuple[int, float], w: Dict[str, Tensor]) -> Tensor:
    # h: [..., D] rows of words after the last layer -> [..., D] after the final norm
    return __torch__.core.nn.norm.rms_norm(h, w["model.norm.weight"], shape[1])


def picture(h: Tensor, span: Tuple[List[int], Tensor, List[int], List[int]], shape: Tuple[int,
        float], w: Dict[str, Tensor]) -> Tensor:
    # h: [B, T, D] after the last layer -> [B, P, D] the rows of its one picture after the final norm
    pictures = span[3]
    h = h.narrow(1, pictures[0], pictures[1] - pictures[0])
    norm = "model.norm_image.weight"
    if not (norm in w):
        norm = "model.norm.weight"
    return __torch__.core.nn.norm.rms_norm(h, w[norm], shape[1])


def head(w: Dict[str, Tensor]) -> Tensor:
    # -> [V, D]; a tied head is the embedding table
    if "lm_head.weight" in w:
        return w["lm_head.weight"]
    return w["model.embed_tokens.weight"]
