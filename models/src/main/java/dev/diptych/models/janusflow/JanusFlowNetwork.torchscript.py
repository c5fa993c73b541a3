# How pictures become rows of the decoder, by SigLIP where they are read and by a few convolutions of
# latents where they are drawn, and how rows become the velocity of latents. Names are the file's, but
# for the tower's. form: (stride, padding, eps of the encoder, eps of the velocity's convolutions).


class JanusFlowNetwork(Module):
    def form(self, stride: int, padding: int, encoder_eps: float,
            velocity_eps: float) -> Tuple[int, int, float, float]:
        return (stride, padding, encoder_eps, velocity_eps)

    def norm(self, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        # x: [N, C, y, x] -> [N, C, y, x]; RMSNorm over the channels
        x = __torch__.core.nn.norm.rms_norm(x.permute(0, 2, 3, 1), weight, eps)
        return x.permute(0, 3, 1, 2)

    def response_norm(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        # x: [N, y, x, C] -> [N, y, x, C]; global response: ConvNeXt V2 (arXiv 2301.00808), section 3
        strength = x.float().pow(2).sum([1, 2], True).sqrt()
        share = strength / (strength.mean(-1, True) + 1e-6)
        return bias + (weight * share.type_as(x) + 1.0) * x

    def block(self, x: Tensor, told: Tensor, w: Dict[str, Tensor], p: str, eps: float) -> Tensor:
        # x: [N, C, y, x], told: [1, D] of the time -> [N, C, y, x]; a ConvNeXt V2 block, and behind
        # the sum a scale and a shift that the time gives
        depthwise = w[p + "depthwise.weight"]
        h = torch.conv2d(x, depthwise, w.get(p + "depthwise.bias"), [1, 1], [3, 3], [1, 1],
                depthwise.shape[0])
        h = __torch__.core.nn.norm.rms_norm(h.permute(0, 2, 3, 1), w[p + "norm.weight"], eps)
        h = torch.linear(h, w[p + "channelwise_linear_1.weight"],
                w.get(p + "channelwise_linear_1.bias"))
        h = self.response_norm(torch.gelu(h), w[p + "channelwise_norm.weight"],
                w[p + "channelwise_norm.bias"])
        h = torch.linear(h, w[p + "channelwise_linear_2.weight"],
                w.get(p + "channelwise_linear_2.bias"))
        x = x + h.permute(0, 3, 1, 2)
        film = torch.linear(torch.silu(told), w[p + "cond_embeds_mapper.weight"],
                w.get(p + "cond_embeds_mapper.bias"))
        scale, shift = film.unsqueeze(2).unsqueeze(3).chunk(2, 1)
        return shift + x * (1.0 + scale)

    def blocks(self, x: Tensor, told: Tensor, w: Dict[str, Tensor], p: str, eps: float) -> Tensor:
        # x: [N, C, y, x] -> [N, C, y, x]
        i = 0
        while (p + "mid_block.res_blocks." + str(i) + ".norm.weight") in w:
            x = self.block(x, told, w, p + "mid_block.res_blocks." + str(i) + ".", eps)
            i += 1
        return x

    def encode(self, x: Tensor, time: Tensor, form: Tuple[int, int, float, float],
            w: Dict[str, Tensor]) -> Tuple[Tensor, Tensor]:
        # x: [N, C, y, x] float32, time: [1] in [0, 1000) -> [N, Ce, G, G], [1, D] told of the time
        stride, padding, eps, velocity_eps = form
        p = "vision_gen_enc_model."
        first = w[p + "time_embed.linear_1.weight"]
        told = __torch__.core.nn.diffusion.sinusoid(time, first.shape[1]).type_as(first)
        told = torch.silu(torch.linear(told, first, w.get(p + "time_embed.linear_1.bias")))
        told = torch.linear(told, w[p + "time_embed.linear_2.weight"],
                w.get(p + "time_embed.linear_2.bias"))
        x = torch.conv2d(x.type_as(first), w[p + "in_conv.weight"], w[p + "in_conv.bias"],
                [stride, stride], [padding, padding])
        return (self.blocks(x, told, w, p, eps), told)

    def velocity(self, h: Tensor, skip: Tensor, told: Tensor, form: Tuple[int, int, float, float],
            norm_eps: float, w: Dict[str, Tensor]) -> Tensor:
        # h: [B, P, D] rows after the final norm; skip: [N, Ce, G, G] of the encoder, B a multiple of N
        # -> [B, C, y, x] float32
        p = "vision_gen_dec_model."
        eps = form[3]
        h = __torch__.core.nn.norm.rms_norm(h, w["vision_gen_dec_aligner_norm.weight"], norm_eps)
        h = torch.linear(h, w["vision_gen_dec_aligner.weight"], w["vision_gen_dec_aligner.bias"])
        x = h.transpose(1, 2).reshape(h.shape[0], h.shape[2], skip.shape[2], skip.shape[3])
        x = self.norm(x, w[p + "input_norm.weight"], eps)
        x = torch.cat([x, skip.repeat(x.shape[0] // skip.shape[0], 1, 1, 1)], 1)
        x = self.blocks(x, told, w, p, eps)
        i = 0
        while (p + "out_convs." + str(i) + ".norm.weight") in w:
            q = p + "out_convs." + str(i) + "."
            x = torch.conv2d(self.norm(x, w[q + "norm.weight"], eps), w[q + "unpatch_conv.weight"],
                    w.get(q + "unpatch_conv.bias"))
            x = torch.pixel_shuffle(x, 2)
            i += 1
        return x.float()

    def rows(self, x: Tensor, time: Tensor, caches: List[List[Tensor]], span: Tuple[List[int],
            Tensor, List[int], List[int]], shape: Tuple[int, float], form: Tuple[int, int, float,
            float], w: Dict[str, Tensor]) -> Tuple[Tensor, Tensor, Tensor]:
        # x: [N, C, y, x] float32 -> [G * N, P, D] rows of the pictures in each context, after the final
        # norm; what the velocity takes beside them
        skip, told = self.encode(x, time, form, w)
        h = torch.linear(skip.flatten(2).transpose(1, 2), w["vision_gen_enc_aligner.weight"],
                w["vision_gen_enc_aligner.bias"])
        h = torch.cat([told.unsqueeze(1).expand(h.shape[0], 1, h.shape[2]), h], 1)
        h = h.repeat(len(caches), 1, 1)
        h = __torch__.models.denoising.decoder.layers(h, caches, span, shape, w)
        return (__torch__.models.denoising.decoder.picture(h, span, shape, w), skip, told)

    def outputs(self, x: Tensor, time: Tensor, caches: List[List[Tensor]], span: Tuple[List[int],
            Tensor, List[int], List[int]], shape: Tuple[int, float], form: Tuple[int, int, float,
            float], w: Dict[str, Tensor]) -> Tensor:
        # x: [N, C, y, x] float32 -> [G * N, C, y, x] float32, the velocity in each context
        h, skip, told = self.rows(x, time, caches, span, shape, form, w)
        return self.velocity(h, skip, told, form, shape[1], w)

    def hidden_states(self, x: Tensor, time: Tensor, caches: List[List[Tensor]],
            span: Tuple[List[int], Tensor, List[int], List[int]], shape: Tuple[int, float],
            form: Tuple[int, int, float, float], w: Dict[str, Tensor]) -> Tensor:
        # as rows, the first alone, float32
        h, skip, told = self.rows(x, time, caches, span, shape, form, w)
        return h.float()

    def step(self, x: Tensor, row: Tensor, time: Tensor, caches: List[List[Tensor]],
            span: Tuple[List[int], Tensor, List[int], List[int]], shape: Tuple[int, float],
            guidance: float, form: Tuple[int, int, float, float], w: Dict[str, Tensor]) -> Tensor:
        # x: [N, C, y, x] float32 -> [N, C, y, x] float32, a step further along the flow
        output = self.outputs(x, time, caches, span, shape, form, w)
        if len(caches) == 2:
            output = __torch__.core.nn.sampling.guide(output, guidance)
        return __torch__.core.nn.diffusion.step(x, output, x, row)

    def understood(self, pixels: Tensor, layers: int, head_dim: int, eps: float,
            w: Dict[str, Tensor]) -> Tensor:
        # pixels: [N, 3, Y, X] float32 -> [N, P + 1, D] what the language model reads
        x = __torch__.core.nn.siglip.tower(pixels, w, "vision_und_enc_model.", "out_proj", layers,
                head_dim, eps, False)
        x = torch.linear(x, w["vision_und_enc_aligner.weight"], w["vision_und_enc_aligner.bias"])
        begin = w["beg_of_und_embed"].unsqueeze(0).expand(x.shape[0], 1, x.shape[2])
        return torch.cat([begin, x], 1)

    def read(self, pixels: Tensor, caches: List[List[Tensor]], span: Tuple[List[int], Tensor,
            List[int], List[int]], shape: Tuple[int, float], layers: int, head_dim: int, eps: float,
            w: Dict[str, Tensor]) -> int:
        # pixels: [1, 3, Y, X] float32; the picture's keys and values are in the cache then
        h = self.understood(pixels, layers, head_dim, eps, w)
        __torch__.models.denoising.decoder.layers(h, caches, span, shape, w)
        return h.shape[1]

    def to_float(self, x: Tensor) -> Tensor:
        return x.float()
