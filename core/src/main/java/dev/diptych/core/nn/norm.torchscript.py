def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    # x: [..., D] -> [..., D]; the mean in float32, the weight in the model's dtype (HF Llama)
    f = x.float()
    n = f * torch.rsqrt(f.pow(2).mean(-1, True) + eps)
    return weight * n.type_as(x)


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    # x: [..., D] -> [..., D]
    return torch.layer_norm(x, weight.shape, weight, bias, eps)
