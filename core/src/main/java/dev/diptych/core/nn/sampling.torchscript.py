def guide(logits: Tensor, scale: float) -> Tensor:
    # logits: [2N, V], conditional rows before unconditional ones -> [N, V]
    cond, uncond = logits.chunk(2)
    return uncond + scale * (cond - uncond)


def guide_twice(logits: Tensor, text: float, image: float) -> Tensor:
    # logits: [3N, V], rows with the full context, with its images alone, with none -> [N, V];
    # InstructPix2Pix (arXiv 2211.09800), section 3.2.1
    full, images, none = logits.chunk(3)
    return none + image * (images - none) + text * (full - images)


def penalise(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    # logits: [N, V], seen: [M] ids -> [N, V]; CTRL (arXiv 1909.05858), section 4.1
    at = seen.unsqueeze(0).expand(logits.shape[0], seen.shape[0])
    score = logits.gather(1, at)
    score = torch.where(score < 0, score * penalty, score / penalty)
    return logits.scatter(1, at, score)


def choose(logits: Tensor, greedy: bool, temperature: float, top_k: int, top_p: float,
        bits: Tensor) -> Tensor:
    # logits: [N, V] float32, -inf where forbidden; bits: [N] int64 uniform in [0, 2^53) -> [N] ids.
    # Temperature, then top-k (0: all), then top-p, then the inverse of the cumulative distribution
    # in float64, so that one number a token decides.
    if greedy:
        return logits.argmax(-1)
    l = logits / temperature
    if top_k > 0 and top_k < l.shape[1]:
        least = torch.topk(l, top_k)[0][:, -1:]
        l = l.masked_fill(l < least, -inf)
    if top_p < 1.0:
        ordered, order = torch.sort(l, -1)
        drop = torch.softmax(ordered, -1).cumsum(-1) <= 1.0 - top_p
        drop[:, -1:] = False
        l = l.masked_fill(drop.scatter(1, order, drop), -inf)
    total = torch.softmax(l.double(), -1).cumsum(-1)
    threshold = (bits.double().unsqueeze(1) + 0.5) * (2.0 ** -53) * total[:, -1:]
    return (total <= threshold).sum(-1).clamp_max(logits.shape[1] - 1)


def refuse(ids: Tensor, logits: Tensor) -> Tensor:
    # ids: [N], logits: [N, V] as the model gave them -> [N], -1 where a row is not finite
    return torch.where(torch.isfinite(logits).all(-1), ids, torch.full_like(ids, -1))


def sample(logits: Tensor, greedy: bool, temperature: float, top_k: int, top_p: float,
        bits: Tensor) -> Tensor:
    # as choose, among all tokens; -1 where a row of logits is not finite
    ids = __torch__.core.nn.sampling.choose(logits, greedy, temperature, top_k, top_p, bits)
    return __torch__.core.nn.sampling.refuse(ids, logits)


def next_token(raw: Tensor, allowed: Tensor, seen: Tensor, penalty: float, how: Tuple[bool, float,
        int, float], bits: Tensor) -> Tensor:
    # raw: [1, V] float32 logits, allowed: [V] bool, seen: [M] ids that the penalty counts; how is
    # (greedy, temperature, top_k, top_p) -> [1] id, -1 where the logits are not finite
    logits = raw.masked_fill(~allowed, -inf)
    if penalty != 1.0:
        logits = __torch__.core.nn.sampling.penalise(logits, seen, penalty)
    greedy, temperature, top_k, top_p = how
    ids = __torch__.core.nn.sampling.choose(logits, greedy, temperature, top_k, top_p, bits)
    return __torch__.core.nn.sampling.refuse(ids, raw)
