def table(length: int, head_dim: int, theta: float, like: Tensor) -> Tensor:
    # -> [2, length, K]: cosines, then sines; angles in float32, the result in the dtype of `like`
    even = torch.arange(0, head_dim, 2, dtype=4, device=like.device).float()
    inv_freq = 1.0 / torch.pow(theta, even / head_dim)
    angles = torch.outer(torch.arange(length, dtype=4, device=like.device).float(), inv_freq)
    angles = torch.cat([angles, angles], -1)
    return torch.stack([angles.cos(), angles.sin()]).type_as(like)


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
