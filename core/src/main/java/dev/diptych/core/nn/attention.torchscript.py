# Caches of a layer: keys and values, [B, G, S, K] both. Keys may lie in memory as [B, G, K, S], which
# strides alone tell; a one-token step reads them by bmm then. On an AMD EPYC with AVX512-bf16 that is
# 3-4 times faster than scaled_dot_product_attention, on an Intel Xeon with AMX 4-12 times slower.


def split_heads(x: Tensor, head_dim: int) -> Tensor:
    # x: [B, T, H*K] -> [B, H, T, K]
    return x.view(x.shape[0], x.shape[1], x.shape[2] // head_dim, head_dim).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    # x: [B, H, T, K] -> [B, T, H*K]
    B, H, T, K = x.shape
    return x.transpose(1, 2).reshape(B, T, H * K)


def attend_all(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    # q, k, v: [B, H, T, K] -> [B, H, T, K]; every position sees every other
    return torch.scaled_dot_product_attention(q, k, v)


def attend_cached(q: Tensor, k: Tensor, v: Tensor, keys: Tensor, values: Tensor,
        pos: int, mask: Optional[Tensor]) -> Tensor:
    # q: [B, H, T, K], or [B, H, 1, K] of the last position alone; k, v: [B, G, T, K], positions pos to
    # pos+T-1; writes them into the cache; mask: mask.added of T, pos and no blocks
    # -> [B, H, T or 1, K]; causal
    B, H, R, K = q.shape
    G, T = k.shape[1:3]
    S = pos + T
    keys.narrow(2, pos, T).copy_(k)
    values.narrow(2, pos, T).copy_(v)
    if R == 1:
        k = keys.narrow(2, 0, S)
        v = values.narrow(2, 0, S)
        if keys.stride(3) == 1:
            x = torch.scaled_dot_product_attention(q.reshape(B, G, H // G, K), k, v)
            return x.reshape(B, H, 1, K)
        rows = q.reshape(B * G, H // G, K)
        scores = torch.bmm(rows, k.transpose(2, 3).flatten(0, 1)) * (K ** -0.5)  # [B*G, H/G, S]
        p = torch.softmax(scores.float(), -1).type_as(q)
        return torch.bmm(p, v.flatten(0, 1)).view(B, H, 1, K)
    if pos > 0:
        k = keys.narrow(2, 0, S)
        v = values.narrow(2, 0, S)
        if keys.stride(3) != 1:
            k = k.contiguous()  # the fused kernel wants rows of numbers that lie together
    return __torch__.core.nn.attention.attend_shared(q, k, v, mask, pos == 0)


def attend_blocks(q: Tensor, k: Tensor, v: Tensor, keys: Tensor, values: Tensor, pos: int,
        blocks: List[int], mask: Optional[Tensor]) -> Tensor:
    # as attend_cached, but the positions of a block all see each other; blocks: begin and end of
    # one after the other, counted from pos; mask: mask.added of T, pos and the blocks
    if len(blocks) == 0:
        return __torch__.core.nn.attention.attend_cached(q, k, v, keys, values, pos, mask)
    B, H, T, K = q.shape
    G = k.shape[1]
    S = pos + T
    keys.narrow(2, pos, T).copy_(k)
    values.narrow(2, pos, T).copy_(v)
    k = keys.narrow(2, 0, S)
    v = values.narrow(2, 0, S)
    if keys.stride(3) != 1:
        k = k.contiguous()
    if blocks[0] == 0 and blocks[1] == T:
        # Everyone sees everything, so heads that share their keys are but more rows.
        rows = q.reshape(B, G, H // G * T, K)
        return torch.scaled_dot_product_attention(rows, k, v).reshape(B, H, T, K)
    return __torch__.core.nn.attention.attend_shared(q, k, v, mask, False)


def attend_shared(q: Tensor, k: Tensor, v: Tensor, mask: Optional[Tensor],
        causal: bool) -> Tensor:
    # q: [B, H, T, K]; k, v: [B, G, S, K], each of H/G heads that follow each other -> [B, H, T, K]
    B, H, T, K = q.shape
    G, S = k.shape[1:3]
    if G == H:
        return torch.scaled_dot_product_attention(q, k, v, mask, is_causal=causal)
    if q.is_cuda:
        return torch.scaled_dot_product_attention(q, k.repeat_interleave(H // G, 1),
                v.repeat_interleave(H // G, 1), mask, is_causal=causal)
    # The kernel follows strides, so keys of stride 0 are shared without a copy; enable_gqa leaves the
    # kernel and takes 7 times as long.
    q = q.reshape(B * G, H // G, T, K)
    k = k.reshape(B * G, 1, S, K).expand(B * G, H // G, S, K)
    v = v.reshape(B * G, 1, S, K).expand(B * G, H // G, S, K)
    x = torch.scaled_dot_product_attention(q, k, v, mask, is_causal=causal)
    # As the kernel leaves what it is given unshared: merge_heads then has nothing to copy.
    x = x.view(B, G, H // G, T, K).permute(0, 3, 1, 2, 4)
    return x.reshape(B, T, H, K).transpose(1, 2)


def new_cache(layers: int, batch: int, kv_heads: int, head_dim: int, capacity: int,
        turned: bool, like: Tensor) -> List[Tensor]:
    # turned: whether keys lie as [B, G, K, S]
    # -> keys of layer 0, values of layer 0, keys of layer 1, ... What no position has been written to
    # is never read, so it needs no value and, until then, no memory
    cache: List[Tensor] = []
    for i in range(layers):
        if turned:
            keys = like.new_empty([batch, kv_heads, head_dim, capacity]).transpose(2, 3)
        else:
            keys = like.new_empty([batch, kv_heads, capacity, head_dim])
        cache.append(keys)
        cache.append(like.new_empty([batch, kv_heads, capacity, head_dim]))
    return cache


def copy_cache(source: List[Tensor], target: List[Tensor], length: int, repeats: int):
    # the first `length` positions; source row r goes to target rows r*repeats to (r+1)*repeats-1
    for i in range(len(source)):
        rows = source[i].narrow(2, 0, length).repeat_interleave(repeats, 0)
        target[i].narrow(2, 0, length).copy_(rows)
