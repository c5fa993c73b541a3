def table(length: int, head_dim: int, theta: float, like: Tensor) -> Tensor:
    # -> [2, length, K]: cosines, then sines; angles in float32, the result in the dtype of `like`. Some
    # positions at a time, so that making it takes no more memory than it does (RopeTable)
    even = torch.arange(0, head_dim, 2, dtype=4, device=like.device).float()
    inv_freq = 1.0 / torch.pow(theta, even / head_dim)
    found = like.new_empty([2, length, head_dim])
    begin = 0
    while begin < length:
        end = length if length - begin < 4096 else begin + 4096
        at = torch.arange(begin, end, dtype=4, device=like.device).float()
        angles = torch.outer(at, inv_freq)
        angles = torch.cat([angles, angles], -1)
        found.narrow(1, begin, end - begin).copy_(torch.stack([angles.cos(), angles.sin()]))
        begin = end
    return found


def rotate_half(x: Tensor, rope: Tensor) -> Tensor:
    # x: [B, H, T, K], rope: [2, T, K] -> [B, H, T, K]; pair i with i + K/2 (the layout of HF Llama)
    half = x.shape[-1] // 2
    turned = torch.cat([-x[..., half:], x[..., :half]], -1)
    return x * rope[0] + turned * rope[1]


def rotate_pairs(x: Tensor, rope: Tensor) -> Tensor:
    # x: [B, H, T, K], rope: [2, T, K] -> [B, H, T, K]; number 2i with 2i + 1 (Meta's own layout)
    half = x.shape[-1] // 2
    cos = rope[0][..., :half]
    sin = rope[1][..., :half]
    even = x[..., 0::2]
    odd = x[..., 1::2]
    return torch.stack([even * cos - odd * sin, odd * cos + even * sin], -1).flatten(-2)
