class SiglipTower(Module):
    def names(self) -> List[str]:
        return ["layer_norm1", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                "self_attn.out_proj", "layer_norm2", "mlp.fc1", "mlp.fc2"]

    def weights(self, D: int, F: int, numbers: Tensor) -> Dict[str, Tensor]:
        # numbers: as many as are asked for
        w: Dict[str, Tensor] = {}
        at = 0
        for name in self.names():
            rows = F if name == "mlp.fc1" else D
            columns = F if name == "mlp.fc2" else D
            if name.startswith("layer_norm"):
                w["x." + name + ".weight"] = numbers.narrow(0, at, rows).clone() + 1.0
                at += rows
            else:
                weight = numbers.narrow(0, at, rows * columns).clone()
                w["x." + name + ".weight"] = weight.view(rows, columns)
                at += rows * columns
            w["x." + name + ".bias"] = numbers.narrow(0, at, rows).clone()
            at += rows
        return w

    def shared(self, x: Tensor, D: int, F: int, head_dim: int, eps: float, tanh: bool,
            numbers: Tensor) -> Tensor:
        w = self.weights(D, F, numbers)
        return __torch__.core.nn.siglip.block(x, w, "x.", "out_proj", head_dim, eps, tanh)

    def affine(self, x: Tensor, w: Dict[str, Tensor], name: str) -> Tensor:
        return torch.matmul(x, w["x." + name + ".weight"].t()) + w["x." + name + ".bias"]

    def norm(self, x: Tensor, w: Dict[str, Tensor], name: str, eps: float) -> Tensor:
        mean = x.mean(-1, True)
        variance = (x - mean).pow(2).mean(-1, True)
        x = (x - mean) / (variance + eps).sqrt()
        return x * w["x." + name + ".weight"] + w["x." + name + ".bias"]

    def by_hand(self, x: Tensor, D: int, F: int, head_dim: int, eps: float, tanh: bool,
            numbers: Tensor) -> Tensor:
        # a head at a time
        w = self.weights(D, F, numbers)
        h = self.norm(x, w, "layer_norm1", eps)
        q = self.affine(h, w, "self_attn.q_proj")
        k = self.affine(h, w, "self_attn.k_proj")
        v = self.affine(h, w, "self_attn.v_proj")
        heads: List[Tensor] = []
        for i in range(D // head_dim):
            at = i * head_dim
            scores = torch.matmul(q.narrow(2, at, head_dim),
                    k.narrow(2, at, head_dim).transpose(1, 2)) / head_dim ** 0.5
            heads.append(torch.matmul(torch.softmax(scores, -1), v.narrow(2, at, head_dim)))
        x = x + self.affine(torch.cat(heads, -1), w, "self_attn.out_proj")
        h = self.affine(self.norm(x, w, "layer_norm2", eps), w, "mlp.fc1")
        if tanh:
            inner = 0.7978845608028654 * (h + 0.044715 * h * h * h)
            h = 0.5 * h * (1.0 + torch.tanh(inner))
        else:
            h = 0.5 * h * (1.0 + torch.erf(h / 2.0 ** 0.5))
        return x + self.affine(h, w, "mlp.fc2")
