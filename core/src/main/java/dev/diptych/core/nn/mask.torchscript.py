# Which position sees which, said once for all models. Rows are the T positions from `pos` on, columns
# the S positions from the beginning on; true where the row sees the column. What nobody is to see is
# left out of a cache and not hidden, and where a mask would hide nothing, none is made. One is made
# for all layers of a call.


def causal(T: int, S: int, pos: int, like: Tensor) -> Tensor:
    # -> [T, S] bool: a position sees itself and what stands before it
    return torch.ones([T, S], dtype=11, device=like.device).tril(pos)


def mixed(T: int, S: int, pos: int, blocks: List[int], like: Tensor) -> Tensor:
    # -> [T, S] bool: causal, and inside a block every position sees every other: Transfusion (arXiv
    # 2408.11039), figure 4. blocks: begin and end of one after the other, counted from pos
    mask = __torch__.core.nn.mask.causal(T, S, pos, like)
    for i in range(len(blocks) // 2):
        begin = blocks[2 * i]
        length = blocks[2 * i + 1] - begin
        mask.narrow(0, begin, length).narrow(1, pos + begin, length).fill_(True)
    return mask


def added(T: int, pos: int, blocks: List[int], like: Tensor) -> Optional[Tensor]:
    # -> [T, pos + T] in the dtype of `like`: 0 where the row sees the column, -inf where it doesn't, as
    # scaled_dot_product_attention would make it of the truth in every layer; None where attention
    # does without. blocks: as for mixed
    if T == 1 or (len(blocks) == 0 and pos == 0):
        return None
    if len(blocks) > 0 and blocks[0] == 0 and blocks[1] == T:
        return None
    seen = __torch__.core.nn.mask.mixed(T, pos + T, pos, blocks, like)
    mask = torch.zeros([T, pos + T], dtype=like.dtype, device=like.device)
    return mask.masked_fill_(~seen, -inf)


def each(T: int, positions: List[int], blocks: List[int], like: Tensor) -> List[Optional[Tensor]]:
    # added for every group of rows that has a cache of its own
    masks: List[Optional[Tensor]] = []
    for pos in positions:
        masks.append(__torch__.core.nn.mask.added(T, pos, blocks, like))
    return masks
