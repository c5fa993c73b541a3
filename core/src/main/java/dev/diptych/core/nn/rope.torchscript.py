def table(length: int, head_dim: int, theta: float, like: Tensor) -> Tensor:
    # -> [2, length, K]: cosines, then sines, negative in the first half of K, as a rotation wants them;
    # angles in float32, the result in the dtype of `like`. Some positions at a time, so that making it
    # takes no more memory than it does (RopeTable)
    even = torch.arange(0, head_dim, 2, dtype=4, device=like.device).float()
    inv_freq = 1.0 / torch.pow(theta, even / head_dim)
    found = like.new_empty([2, length, head_dim])
    begin = 0
    while begin < length:
        end = length if length - begin < 4096 else begin + 4096
        at = torch.arange(begin, end, dtype=4, device=like.device).float()
        angles = torch.outer(at, inv_freq)
        cos = angles.cos()
        sin = angles.sin()
        found.narrow(1, begin, end - begin).copy_(torch.stack([torch.cat([cos, cos], -1),
                torch.cat([-sin, sin], -1)]))
        begin = end
    return found


def rotate_half(x: Tensor, rope: Tensor) -> Tensor:
    # x: [B, H, T, K], rope: [2, T, K] -> [B, H, T, K]; pair i with i + K/2 (the layout of HF Llama)
    turned = torch.roll(x, x.shape[-1] // 2, -1).mul_(rope[1])
    return (x * rope[0]).add_(turned)


def rotate_pairs(x: Tensor, rope: Tensor) -> Tensor:
    # x: [B, H, T, K], rope: [2, T, K] -> [B, H, T, K]; number 2i with 2i + 1 (Meta's own layout)
    half = x.shape[-1] // 2
    cos = rope[0][..., :half]
    sin = rope[1][..., half:]
    even = x[..., 0::2]
    odd = x[..., 1::2]
    return torch.stack([(even * cos).sub_(odd * sin), (odd * cos).add_(even * sin)], -1).flatten(-2)
