# How latents become rows of the decoder and rows become epsilon and variance. Names are those of the
# published files, but for t_embedder.linear_1 and linear_2. w also holds what is made when the model is
# loaded: positions.table [P, D], where there is one.


class MonoFormerNetwork(Module):
    def waves(self, at: Tensor, width: int) -> Tensor:
        # at: [P] float64 -> [P, width]: sines, then cosines
        half = width // 2
        omega = torch.pow(10000.0, -torch.arange(half, dtype=7, device=at.device) / half)
        angles = at.unsqueeze(1) * omega
        return torch.cat([angles.sin(), angles.cos()], 1)

    def prepare(self, w: Dict[str, Tensor], side: int) -> int:
        # half of a patch's vector tells its column, the other half its row; as MAE (arXiv 2111.06377)
        like = w["x_embedder.weight"]
        width = like.shape[0] // 2
        at = torch.arange(side * side, dtype=4, device=like.device)
        column = self.waves((at % side).double(), width)
        row = self.waves(torch.div(at, side, rounding_mode="floor").double(), width)
        w["positions.table"] = torch.cat([column, row], 1).float().type_as(like)
        return side * side

    def linear(self, x: Tensor, w: Dict[str, Tensor], name: str) -> Tensor:
        return torch.linear(x, w[name + ".weight"], w[name + ".bias"])

    def modulate(self, x: Tensor, time: Tensor, w: Dict[str, Tensor], name: str) -> Tensor:
        # x: [B, P, D], time: [1, D] -> [B, P, D]; adaLN (arXiv 2212.09748), §3.2: the shift comes first
        shift, scale = self.linear(torch.silu(time), w, name).chunk(2, 1)
        return x * (1 + scale) + shift

    def final_layer(self, h: Tensor, time: Tensor, w: Dict[str, Tensor]) -> Tensor:
        # h: [B, P, D] after the final norm -> [B, P, 2*C*p*p]
        if "final_layer.mlp.1.weight" in w:
            h = h + self.linear(torch.silu(time), w, "final_layer.mlp.1")
        else:
            h = torch.layer_norm(h, [h.shape[2]], None, None, 1e-06)
            h = self.modulate(h, time, w, "final_layer.adaLN_modulation.1")
        return self.linear(h, w, "final_layer.linear")

    def outputs(self, x: Tensor, time: float, patch: int, caches: List[List[Tensor]],
            span: Tuple[List[int], Tensor, List[int], List[int]], shape: Tuple[int, float],
            w: Dict[str, Tensor]) -> Tensor:
        # x: [N, C, Y, X] float32 -> [G * N, 2C, Y, X] float32: epsilon, then what tells the variance
        N, C, Y, X = x.shape
        t = torch.full([1], time, dtype=6, device=x.device)
        told = __torch__.core.nn.diffusion.time_embedding(t, 256, w, "t_embedder.")
        h = __torch__.core.nn.diffusion.patchify(x.type_as(told), patch)
        h = self.linear(h, w, "x_embedder")
        if "positions.table" in w:
            h = h + w["positions.table"]
        if "adaLN_module.1.weight" in w:
            h = self.modulate(h, told, w, "adaLN_module.1")
        else:
            row = self.linear(torch.gelu(self.linear(told, w, "t_projector.0")), w, "t_projector.2")
            h = torch.cat([row.expand(N, 1, h.shape[2]), h], 1)
        h = h.repeat(len(caches), 1, 1)
        h = __torch__.models.denoising.decoder.layers(h, caches, span, shape, w)
        h = __torch__.models.denoising.decoder.picture(h, span, shape, w)
        h = self.final_layer(h, told, w)
        # Out of a patch come row, column, channel; into it went channel, row, column.
        h = h.reshape(h.shape[0], Y // patch, X // patch, patch, patch, 2 * C)
        return h.permute(0, 5, 1, 3, 2, 4).reshape(h.shape[0], 2 * C, Y, X).float()

    def guided(self, output: Tensor, guidance: float) -> Tensor:
        # output: [2 * N, 2C, Y, X], the prompt's before the empty one's -> [N, 2C, Y, X]. Of the
        # prompt's own are the fourth channel of epsilon and the variance: DiT guides three channels
        cond, uncond = output.chunk(2)
        three = uncond[:, :3] + guidance * (cond[:, :3] - uncond[:, :3])
        return torch.cat([three, cond[:, 3:]], 1)

    def step(self, x: Tensor, noise: Tensor, noisy: bool, row: Tensor, time: float, guidance: float,
            patch: int, caches: List[List[Tensor]], span: Tuple[List[int], Tensor, List[int],
            List[int]], shape: Tuple[int, float], w: Dict[str, Tensor]) -> Tensor:
        # x, noise: [N, C, Y, X] float32 -> [N, C, Y, X] float32, less noisy; noise as learned_step
        # leaves it
        output = self.outputs(x, time, patch, caches, span, shape, w)
        if len(caches) == 2:
            output = self.guided(output, guidance)
        epsilon, variance = output.chunk(2, 1)
        return __torch__.core.nn.diffusion.learned_step(x, epsilon, variance, noise, noisy,
                row)
