# What models that denoise latents share: how they are told the time, how latents become patches, and
# the step of dev.diptych.core.diffusion.DiffusionStep.


def sinusoid(t: Tensor, width: int) -> Tensor:
    # t: [N] float32 -> [N, width] float32, cosines before sines; DDPM (arXiv 2006.11239), as diffusers'
    # Timesteps with flip_sin_to_cos and downscale_freq_shift 0
    half = width // 2
    # In the reference's order, for a unit in the last place here is a ten-thousandth in an angle.
    exponent = -9.210340371976184 * torch.arange(half, dtype=6, device=t.device) / half
    angles = t.unsqueeze(1) * torch.exp(exponent)
    return torch.cat([angles.cos(), angles.sin()], 1)


def time_embedding(t: Tensor, width: int, w: Dict[str, Tensor], p: str) -> Tensor:
    # t: [N] float32 -> [N, D]; linear_1, SiLU, linear_2, as diffusers' TimestepEmbedding
    x = __torch__.core.nn.diffusion.sinusoid(t, width).type_as(w[p + "linear_1.weight"])
    x = torch.silu(torch.linear(x, w[p + "linear_1.weight"], w[p + "linear_1.bias"]))
    return torch.linear(x, w[p + "linear_2.weight"], w[p + "linear_2.bias"])


def patchify(x: Tensor, p: int) -> Tensor:
    # x: [N, C, Y, X] -> [N, Y/p * X/p, C*p*p], patches row by row, in each channel, row, column
    N, C, Y, X = x.shape
    x = x.reshape(N, C, Y // p, p, X // p, p).permute(0, 2, 4, 1, 3, 5)
    return x.reshape(N, (Y // p) * (X // p), C * p * p)


def unpatchify(x: Tensor, p: int, rows: int, columns: int) -> Tensor:
    # x: [N, rows * columns, C*p*p], as patchify orders them -> [N, C, rows*p, columns*p]
    N = x.shape[0]
    C = x.shape[2] // (p * p)
    x = x.reshape(N, rows, columns, C, p, p).permute(0, 3, 1, 4, 2, 5)
    return x.reshape(N, C, rows * p, columns * p)


def step(x: Tensor, output: Tensor, noise: Tensor, row: Tensor) -> Tensor:
    # x, output, noise: [...] float32, row: DiffusionStep.row() -> [...] float32, less noisy
    picture = torch.minimum(torch.maximum(row[0] * x + row[1] * output, -row[2]), row[2])
    return row[3] * picture + row[4] * x + row[5] * output + row[6] * noise


def learned_step(x: Tensor, output: Tensor, variance: Tensor, noise: Tensor, noisy: bool,
        row: Tensor) -> Tensor:
    # as step; variance: [...] float32 in [-1, 1], between the least and the largest of the row. What is
    # left in `noise` is what step would have had to be given, so that both steps can be undone alike
    if noisy:
        share = (variance + 1) / 2
        noise.mul_(torch.exp((share * row[8] + (1 - share) * row[7]) / 2) / row[6])
    picture = torch.minimum(torch.maximum(row[0] * x + row[1] * output, -row[2]), row[2])
    y = row[3] * picture + row[4] * x + row[5] * output
    # A step that adds no noise has no variance to tell, whatever the bounds are.
    return y + row[6] * noise if noisy else y
