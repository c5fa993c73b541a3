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
