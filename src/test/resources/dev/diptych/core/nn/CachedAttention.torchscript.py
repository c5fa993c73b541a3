class CachedAttention(Module):
    def cached(self, q: Tensor, k: Tensor, v: Tensor, sizes: List[int], turned: bool) -> Tensor:
        # q: [B, H, T, K]; k, v: [B, G, T, K], read in pieces of these sizes -> [B, H, T, K]
        cache = __torch__.core.nn.attention.new_cache(1, k.shape[0], k.shape[1], k.shape[3],
                k.shape[2] + 3, turned, k)
        wide = __torch__.core.nn.attention.new_cache(1, k.shape[0], k.shape[1], k.shape[3],
                k.shape[2] + 5, turned, k)
        # Memory that nobody has written to may hold anything.
        for tensor in cache + wide:
            tensor.fill_(nan)
        found: List[Tensor] = []
        pos = 0
        none: List[int] = []
        for T in sizes:
            found.append(__torch__.core.nn.attention.attend_cached(q.narrow(2, pos, T),
                    k.narrow(2, pos, T), v.narrow(2, pos, T), cache[0], cache[1], pos,
                    __torch__.core.nn.mask.added(T, pos, none, q)))
            pos += T
            __torch__.core.nn.attention.copy_cache(cache, wide, pos, 1)
            cache, wide = wide, cache
        return torch.cat(found, 2)

    def whole(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        # softmax(q k^T / sqrt(K)) v, position t sees positions up to t
        B, H, T, K = q.shape
        k = k.repeat_interleave(H // k.shape[1], 1)
        v = v.repeat_interleave(H // v.shape[1], 1)
        scores = torch.matmul(q, k.transpose(2, 3)) / K ** 0.5
        later = torch.ones([T, T], dtype=11).triu(1)
        return torch.matmul(torch.softmax(scores.masked_fill(later, -inf), -1), v)
