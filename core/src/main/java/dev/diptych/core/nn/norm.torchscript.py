def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    # x: [..., D] -> [..., D], a tensor of its own; the mean in float32, the weight in the model's dtype
    # (HF Llama). Where rows are many, some at a time, so that what lies between two passes stays in
    # the processor's cache
    D = x.shape[-1]
    some = 131072 // D
    if x.is_cuda or x.numel() <= 262144 or some == 0 or not x.is_contiguous():
        return __torch__.core.nn.norm.rms(x, eps).type_as(x).mul_(weight)
    y = torch.empty_like(x)
    rows = x.view(-1, D).split(some)
    found = y.view(-1, D).split(some)
    for i in range(len(rows)):
        found[i].copy_(__torch__.core.nn.norm.rms(rows[i], eps)).mul_(weight)
    return y


def rms(x: Tensor, eps: float) -> Tensor:
    # x: [..., D] -> [..., D] float32, a tensor of its own
    f = x.float()
    return f * (f * f).mean(-1, True).add_(eps).rsqrt_()


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    # x: [..., D] -> [..., D]
    return torch.layer_norm(x, weight.shape, weight, bias, eps)
