# Which position sees which, said once for all models. Rows are the T positions from `pos` on, columns
# the S positions from the beginning on; true where the row sees the column. What nobody is to see is
# left out of a cache and not hidden, and where a mask would hide nothing, none is made.


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
