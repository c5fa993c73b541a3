# SigLIP's tower (arXiv 2303.15343): a pre-norm ViT with biases and without a class token. The names
# are those of transformers' SiglipVisionModel but for the projection behind the attention, which
# every family calls otherwise; timm's names and its fused attention weights are turned into these
# where they are bound.


def block(x: Tensor, w: Dict[str, Tensor], p: str, out: str, head_dim: int, eps: float,
        tanh: bool) -> Tensor:
    # x: [N, P, D] -> [N, P, D]; out: the name of the projection behind the attention; tanh: whether
    # GELU is the approximation
    h = __torch__.core.nn.norm.layer_norm(x, w[p + "layer_norm1.weight"],
            w[p + "layer_norm1.bias"], eps)
    a = p + "self_attn."
    q = torch.linear(h, w[a + "q_proj.weight"], w.get(a + "q_proj.bias"))
    k = torch.linear(h, w[a + "k_proj.weight"], w.get(a + "k_proj.bias"))
    v = torch.linear(h, w[a + "v_proj.weight"], w.get(a + "v_proj.bias"))
    q = __torch__.core.nn.attention.split_heads(q, head_dim)
    k = __torch__.core.nn.attention.split_heads(k, head_dim)
    v = __torch__.core.nn.attention.split_heads(v, head_dim)
    h = __torch__.core.nn.attention.merge_heads(__torch__.core.nn.attention.attend_all(q, k, v))
    x = torch.linear(h, w[a + out + ".weight"], w[a + out + ".bias"]).add_(x)
    h = __torch__.core.nn.norm.layer_norm(x, w[p + "layer_norm2.weight"],
            w[p + "layer_norm2.bias"], eps)
    h = torch.linear(h, w[p + "mlp.fc1.weight"], w[p + "mlp.fc1.bias"])
    h = torch.gelu(h, approximate="tanh" if tanh else "none")
    return torch.linear(h, w[p + "mlp.fc2.weight"], w[p + "mlp.fc2.bias"]).add_(x)


def tower(pixels: Tensor, w: Dict[str, Tensor], p: str, out: str, layers: int, head_dim: int,
        eps: float, tanh: bool) -> Tensor:
    # pixels: [N, 3, Y, X] float32, of the size that the positions are for -> [N, P, D] after the
    # final norm; out, tanh: as for block
    patch = w[p + "embeddings.patch_embedding.weight"]
    x = torch.conv2d(pixels.type_as(patch), patch, w[p + "embeddings.patch_embedding.bias"],
            [patch.shape[2], patch.shape[3]])
    x = x.flatten(2).transpose(1, 2) + w[p + "embeddings.position_embedding.weight"]
    for i in range(layers):
        x = __torch__.core.nn.siglip.block(x, w, p + "encoder.layers." + str(i) + ".", out,
                head_dim, eps, tanh)
    return __torch__.core.nn.norm.layer_norm(x, w[p + "post_layernorm.weight"],
            w[p + "post_layernorm.bias"], eps)
