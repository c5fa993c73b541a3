# The vision tower of CLIP (arXiv 2103.00020), with the names of transformers' CLIPVisionModel below a
# prefix. shape: (head_dim, eps, quick), the last whether GELU is x * sigmoid(1.702 x), as in the
# published towers, or the exact one.


def embeddings(pixels: Tensor, w: Dict[str, Tensor], p: str) -> Tensor:
    # pixels: [N, 3, Y, X] float32 -> [N, 1 + P, D]: the class token, then patches row by row
    patch = w[p + "patch_embedding.weight"]
    x = torch.conv2d(pixels.type_as(patch), patch, None, [patch.shape[2], patch.shape[3]])
    x = x.flatten(2).transpose(1, 2)
    first = w[p + "class_embedding"].expand(x.shape[0], 1, x.shape[2])
    return torch.cat([first, x], 1) + w[p + "position_embedding.weight"]


def layer(x: Tensor, w: Dict[str, Tensor], p: str, shape: Tuple[int, float, bool]) -> Tensor:
    # x: [N, 1 + P, D] -> the same; pre-norm, biases
    head_dim, eps, quick = shape
    h = __torch__.core.nn.norm.layer_norm(x, w[p + "layer_norm1.weight"],
            w[p + "layer_norm1.bias"], eps)
    a = p + "self_attn."
    q = torch.linear(h, w[a + "q_proj.weight"], w[a + "q_proj.bias"])
    k = torch.linear(h, w[a + "k_proj.weight"], w[a + "k_proj.bias"])
    v = torch.linear(h, w[a + "v_proj.weight"], w[a + "v_proj.bias"])
    q = __torch__.core.nn.attention.split_heads(q, head_dim)
    k = __torch__.core.nn.attention.split_heads(k, head_dim)
    v = __torch__.core.nn.attention.split_heads(v, head_dim)
    h = __torch__.core.nn.attention.merge_heads(__torch__.core.nn.attention.attend_all(q, k, v))
    x = torch.linear(h, w[a + "out_proj.weight"], w[a + "out_proj.bias"]).add_(x)
    h = __torch__.core.nn.norm.layer_norm(x, w[p + "layer_norm2.weight"],
            w[p + "layer_norm2.bias"], eps)
    h = torch.linear(h, w[p + "mlp.fc1.weight"], w[p + "mlp.fc1.bias"])
    if quick:
        h = h * torch.sigmoid(1.702 * h)
    else:
        h = torch.gelu(h)
    return torch.linear(h, w[p + "mlp.fc2.weight"], w[p + "mlp.fc2.bias"]).add_(x)


def tower(pixels: Tensor, layers: int, shape: Tuple[int, float, bool], w: Dict[str, Tensor],
        p: str) -> Tensor:
    # pixels: [N, 3, Y, X] float32 -> [N, 1 + P, D] after so many layers, and no norm behind them: the
    # hidden state that models choose by counting from the last (LLaVA: one layer before it)
    x = __torch__.core.nn.clip.embeddings(pixels, w, p + "embeddings.")
    # The name is misspelt in every checkpoint.
    x = __torch__.core.nn.norm.layer_norm(x, w[p + "pre_layrnorm.weight"],
            w[p + "pre_layrnorm.bias"], shape[1])
    for i in range(layers):
        x = __torch__.core.nn.clip.layer(x, w, p + "encoder.layers." + str(i) + ".", shape)
    return x
