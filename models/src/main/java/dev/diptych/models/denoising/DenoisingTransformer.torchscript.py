# Words, and what surrounds every call; how pictures go in and come out is in each family's own script.
# w also holds what is made when the model is loaded: rope.table [2, L, K], may_say and
# may_say_or_draw [V] bool.


class DenoisingTransformer(Module):
    def prepare(self, w: Dict[str, Tensor], length: int, shape: Tuple[int, float], theta: float,
            text_ids: Tensor, begin_of_image: int) -> int:
        # A family that cannot draw, or opens no pictures itself, has a negative begin_of_image.
        w["rope.table"] = __torch__.core.nn.rope.table(length, shape[0], theta,
                w["model.norm.weight"])
        head = __torch__.models.denoising.decoder.head(w)
        may_say = torch.zeros([head.shape[0]], dtype=11, device=head.device)
        may_say.index_fill_(0, text_ids, True)
        may_draw = may_say.clone()
        if begin_of_image >= 0:
            may_draw.narrow(0, begin_of_image, 1).fill_(True)
        w["may_say"] = may_say
        w["may_say_or_draw"] = may_draw
        return length

    def shape(self, head_dim: int, eps: float) -> Tuple[int, float]:
        return (head_dim, eps)

    def span(self, lengths: List[int], at: Tensor, blocks: List[int],
            pictures: List[int]) -> Tuple[List[int], Tensor, List[int], List[int]]:
        # A copy of `at`, because the argument lives in a buffer that is collected after the call.
        return (lengths, at.clone(), blocks, pictures)

    def how(self, greedy: bool, temperature: float, top_k: int, top_p: float) -> Tuple[bool, float,
            int, float]:
        return (greedy, temperature, top_k, top_p)

    def one(self, a: List[Tensor]) -> List[List[Tensor]]:
        return [a]

    def two(self, a: List[Tensor], b: List[Tensor]) -> List[List[Tensor]]:
        return [a, b]

    def three(self, a: List[Tensor], b: List[Tensor], c: List[Tensor]) -> List[List[Tensor]]:
        return [a, b, c]

    def new_cache(self, layers: int, batch: int, kv_heads: int, head_dim: int, capacity: int,
            turned: bool, w: Dict[str, Tensor]) -> List[Tensor]:
        return __torch__.core.nn.attention.new_cache(layers, batch, kv_heads, head_dim, capacity,
                turned, w["model.norm.weight"])

    def copy_cache(self, source: List[Tensor], target: List[Tensor], length: int,
            repeats: int) -> int:
        __torch__.core.nn.attention.copy_cache(source, target, length, repeats)
        return length

    def read_words(self, ids: Tensor, cache: List[Tensor], length: int, position: int,
            shape: Tuple[int, float], w: Dict[str, Tensor]) -> Tensor:
        # ids: [1, T] behind what the cache holds -> [1, D] hidden state of the last one
        at = torch.arange(position, position + ids.shape[1], dtype=4, device=ids.device)
        none: List[int] = []
        h = torch.embedding(w["model.embed_tokens.weight"], ids)
        h = __torch__.models.denoising.decoder.layers(h, [cache], ([length], at.unsqueeze(0), none,
                none), shape, w)
        return __torch__.models.denoising.decoder.words(h[:, -1], shape, w)

    def next_token(self, ids: Tensor, cache: List[Tensor], length: int, position: int,
            shape: Tuple[int, float], may_draw: bool, seen: Tensor, penalty: float,
            how: Tuple[bool, float, int, float], bits: Tensor, w: Dict[str, Tensor]) -> Tensor:
        # ids: [1, T] -> [1] the token behind them: text, the end, or the beginning of a picture
        hidden = self.read_words(ids, cache, length, position, shape, w)
        raw = torch.linear(hidden, __torch__.models.denoising.decoder.head(w)).float()
        allowed = w["may_say_or_draw" if may_draw else "may_say"]
        return __torch__.core.nn.sampling.next_token(raw, allowed, seen, penalty, how, bits)

    def word_logits(self, hidden: Tensor, may_draw: bool, w: Dict[str, Tensor]) -> Tensor:
        # hidden: [1, D] -> [1, V] float32, -inf for what may not come next
        logits = torch.linear(hidden, __torch__.models.denoising.decoder.head(w)).float()
        allowed = w["may_say_or_draw" if may_draw else "may_say"]
        return logits.masked_fill(~allowed, -inf)

    def kept(self, x: Tensor) -> Tensor:
        # A copy, because the argument lives in a buffer that is collected after the call.
        return x.clone()
