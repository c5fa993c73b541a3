# How latents become rows of the decoder and rows become what is said of the noise: with one matrix
# each way, or with the down and up blocks of a U-Net. Names are those of diffusers below patch_in and
# patch_out. form: (patch_size, time_frequencies, levels, layers, groups, eps), levels 0 without U-Net.


class TransfusionNetwork(Module):
    def form(self, patch: int, frequencies: int, levels: int, layers: int, groups: int,
            eps: float) -> Tuple[int, int, int, int, int, float]:
        return (patch, frequencies, levels, layers, groups, eps)

    def scales(self, text: float, image: float) -> Tuple[float, float]:
        return (text, image)

    def norm(self, x: Tensor, w: Dict[str, Tensor], p: str, groups: int, eps: float) -> Tensor:
        # x: [N, C, Y, X] -> [N, C, Y, X]; GroupNorm, then SiLU
        return torch.silu(torch.group_norm(x, groups, w[p + ".weight"], w[p + ".bias"], eps))

    def conv(self, x: Tensor, w: Dict[str, Tensor], p: str, stride: int) -> Tensor:
        # x: [N, C, Y, X] -> [N, E, Y/stride, X/stride]; 3 x 3, or 1 x 1
        weight = w[p + ".weight"]
        return torch.conv2d(x, weight, w[p + ".bias"], [stride, stride],
                [weight.shape[2] // 2, weight.shape[3] // 2])

    def residual(self, x: Tensor, time: Tensor, w: Dict[str, Tensor], p: str, groups: int,
            eps: float) -> Tensor:
        # x: [N, C, Y, X], time: [N, D] -> [N, E, Y, X]; ResnetBlock2D
        h = self.conv(self.norm(x, w, p + "norm1", groups, eps), w, p + "conv1", 1)
        told = torch.linear(torch.silu(time), w[p + "time_emb_proj.weight"],
                w[p + "time_emb_proj.bias"])
        h = h + told.unsqueeze(2).unsqueeze(3)
        h = self.conv(self.norm(h, w, p + "norm2", groups, eps), w, p + "conv2", 1)
        if (p + "conv_shortcut.weight") in w:
            x = self.conv(x, w, p + "conv_shortcut", 1)
        return x + h

    def patch_in(self, x: Tensor, time: float, form: Tuple[int, int, int, int, int, float],
            w: Dict[str, Tensor]) -> Tuple[Tensor, Tensor, List[Tensor]]:
        # x: [N, C, Y, X] float32, noisy as it is at that time -> [N, P, D] rows, [N, D] what the
        # blocks are told of the time, and what the up blocks take from the down blocks
        patch, frequencies, levels, layers, groups, eps = form
        t = torch.full([x.shape[0]], time, dtype=6, device=x.device)
        told = __torch__.core.nn.diffusion.time_embedding(t, frequencies, w, "time_embed.")
        x = x.type_as(told)
        kept: List[Tensor] = []
        if levels == 0:
            h = __torch__.core.nn.diffusion.patchify(x, patch)
        else:
            x = self.conv(x, w, "patch_in.conv_in", 1)
            kept.append(x)
            for level in range(levels):
                p = "patch_in.down_blocks." + str(level) + "."
                for i in range(layers):
                    x = self.residual(x, told, w, p + "resnets." + str(i) + ".", groups, eps)
                    kept.append(x)
                if level < levels - 1:
                    x = self.conv(x, w, p + "downsamplers.0.conv", 2)
                    kept.append(x)
            h = x.flatten(2).transpose(1, 2)
        h = torch.linear(h, w["patch_in.proj.weight"], w["patch_in.proj.bias"]) + told.unsqueeze(1)
        if "patch_in.position_embedding.weight" in w:
            h = h + w["patch_in.position_embedding.weight"]
        return (h, told, kept)

    def patch_out(self, h: Tensor, told: Tensor, kept: List[Tensor], rows: int, columns: int,
            form: Tuple[int, int, int, int, int, float], w: Dict[str, Tensor]) -> Tensor:
        # h: [B, P, D] rows after the final norm, B a multiple of N -> [B, C, Y, X] float32
        patch, frequencies, levels, layers, groups, eps = form
        h = torch.linear(h, w["patch_out.proj.weight"], w["patch_out.proj.bias"])
        if levels == 0:
            return __torch__.core.nn.diffusion.unpatchify(h, patch, rows, columns).float()
        contexts = h.shape[0] // told.shape[0]
        told = told.repeat(contexts, 1)
        x = h.transpose(1, 2).reshape(h.shape[0], h.shape[2], rows, columns)
        at = len(kept) - 1
        for level in range(levels):
            p = "patch_out.up_blocks." + str(level) + "."
            for i in range(layers + 1):
                x = torch.cat([x, kept[at].repeat(contexts, 1, 1, 1)], 1)
                at -= 1
                x = self.residual(x, told, w, p + "resnets." + str(i) + ".", groups, eps)
            if level < levels - 1:
                x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
                x = self.conv(x, w, p + "upsamplers.0.conv", 1)
        x = self.norm(x, w, "patch_out.conv_norm_out", groups, eps)
        return self.conv(x, w, "patch_out.conv_out", 1).float()

    def outputs(self, x: Tensor, time: float, caches: List[List[Tensor]], span: Tuple[List[int],
            Tensor, List[int], List[int]], shape: Tuple[int, float], form: Tuple[int, int, int, int,
            int, float], w: Dict[str, Tensor]) -> Tensor:
        # x: [N, C, Y, X] float32 -> [G * N, C, Y, X] float32, what is said of it in each context
        h, told, kept = self.patch_in(x, time, form, w)
        h = h.repeat(len(caches), 1, 1)
        h = __torch__.models.denoising.decoder.layers(h, caches, span, shape, w)
        h = __torch__.models.denoising.decoder.picture(h, span, shape, w)
        return self.patch_out(h, told, kept, x.shape[2] // form[0], x.shape[3] // form[0], form, w)

    def step(self, x: Tensor, noise: Tensor, row: Tensor, time: float, caches: List[List[Tensor]],
            span: Tuple[List[int], Tensor, List[int], List[int]], shape: Tuple[int, float],
            scales: Tuple[float, float], form: Tuple[int, int, int, int, int, float],
            w: Dict[str, Tensor]) -> Tensor:
        # x, noise: [N, C, Y, X] float32 -> [N, C, Y, X] float32, less noisy; scales: of the first
        # context beside the second, and of the second beside the third
        output = self.outputs(x, time, caches, span, shape, form, w)
        if len(caches) == 2:
            output = __torch__.core.nn.sampling.guide(output, scales[0])
        elif len(caches) == 3:
            output = __torch__.core.nn.sampling.guide_twice(output, scales[0], scales[1])
        return __torch__.core.nn.diffusion.step(x, output, noise, row)

    def read(self, x: Tensor, caches: List[List[Tensor]], span: Tuple[List[int], Tensor, List[int],
            List[int]], shape: Tuple[int, float], form: Tuple[int, int, int, int, int, float],
            w: Dict[str, Tensor]) -> int:
        # x: [1, C, Y, X] float32, a picture without noise; its keys and values are in the cache then
        h, told, kept = self.patch_in(x, 0.0, form, w)
        __torch__.models.denoising.decoder.layers(h, caches, span, shape, w)
        return h.shape[1]
