# How pictures go into the decoder and come out of it. Tensor names are those of the published file;
# the decoder's are those that models.denoising gives them, and the time's linears are linear_1 and
# linear_2. frame: [2] ids of the tokens before and behind every picture; side: of the table of
# positions, which a smaller picture reads the first rows and columns of. Latents are rows of cells,
# [N, y, x, W], W = p * p * C in the order row, column, channel.


class BagelTransformer(Module):
    def frame(self, ids: Tensor) -> Tensor:
        # A copy, because the argument lives in a buffer that is collected after the call.
        return ids.clone()

    def places(self, rows: int, columns: int, side: int, like: Tensor) -> Tensor:
        # -> [rows * columns] in the table of positions
        y = torch.arange(rows, dtype=4, device=like.device) * side
        x = torch.arange(columns, dtype=4, device=like.device)
        return (y.unsqueeze(1) + x).flatten()

    def framed(self, rows: Tensor, frame: Tensor, w: Dict[str, Tensor]) -> Tensor:
        # rows: [N, P, D] -> [N, P + 2, D]
        N, P, D = rows.shape
        ends = torch.embedding(w["model.embed_tokens.weight"], frame)
        first = ends[0].expand(N, 1, D)
        return torch.cat([first, rows, ends[1].expand(N, 1, D)], 1)

    def vision_model(self, pixels: Tensor, patch: int, side: int, layers: int, head_dim: int,
            eps: float, w: Dict[str, Tensor]) -> Tensor:
        # pixels: [3, Y, X] float32 -> [1, P, Dv] after the final norm; every patch sees every other
        p = "vit_model.vision_model."
        C, Y, X = pixels.shape
        x = pixels.reshape(C, Y // patch, patch, X // patch, patch).permute(1, 3, 2, 4, 0)
        weight = w[p + "embeddings.patch_embedding.weight"]
        x = x.reshape(1, (Y // patch) * (X // patch), weight.shape[1]).type_as(weight)
        x = torch.linear(x, weight, w[p + "embeddings.patch_embedding.bias"])
        at = self.places(Y // patch, X // patch, side, x)
        x = x + w[p + "embeddings.position_embedding.weight"].index_select(0, at)
        for i in range(layers):
            x = __torch__.core.nn.siglip.block(x, w, p + "encoder.layers." + str(i) + ".",
                    "out_proj", head_dim, eps, True)
        return __torch__.core.nn.norm.layer_norm(x, w[p + "post_layernorm.weight"],
                w[p + "post_layernorm.bias"], eps)

    def connect(self, features: Tensor, rows: int, columns: int, side: int, w: Dict[str,
            Tensor]) -> Tensor:
        # features: [1, P, Dv] -> [1, P, D]; GELU is the approximation by tanh
        x = torch.linear(features, w["connector.fc1.weight"], w["connector.fc1.bias"])
        x = torch.gelu(x, approximate="tanh")
        x = torch.linear(x, w["connector.fc2.weight"], w["connector.fc2.bias"])
        at = self.places(rows, columns, side, x)
        return x + w["vit_pos_embed.pos_embed"].index_select(0, at)

    def latent_rows(self, x: Tensor, time: float, side: int, w: Dict[str, Tensor]) -> Tensor:
        # x: [N, y, x, W] float32 -> [N, P, D]
        weight = w["vae2llm.weight"]
        rows = torch.linear(x.flatten(1, 2).type_as(weight), weight, w["vae2llm.bias"])
        t = torch.full([1], time, dtype=6, device=x.device)
        told = __torch__.core.nn.diffusion.time_embedding(t, 256, w, "time_embedder.")
        at = self.places(x.shape[1], x.shape[2], side, x)
        return rows + told + w["latent_pos_embed.pos_embed"].index_select(0, at)

    def read_vision(self, pixels: Tensor, patch: int, side: int, layers: int, head_dim: int,
            eps: float, frame: Tensor, caches: List[List[Tensor]], span: Tuple[List[int], Tensor,
            List[int], List[int]], shape: Tuple[int, float], w: Dict[str, Tensor]) -> Tensor:
        # pixels: [3, Y, X] float32 -> [1, P + 2, D] after the last layer
        features = self.vision_model(pixels, patch, side, layers, head_dim, eps, w)
        rows = self.connect(features, pixels.shape[1] // patch, pixels.shape[2] // patch, side, w)
        return __torch__.models.denoising.decoder.layers(self.framed(rows, frame, w), caches, span,
                shape, w)

    def read_latents(self, x: Tensor, side: int, frame: Tensor, caches: List[List[Tensor]],
            span: Tuple[List[int], Tensor, List[int], List[int]], shape: Tuple[int, float],
            w: Dict[str, Tensor]) -> Tensor:
        # x: [1, y, x, W] float32 without noise, of time 0 -> [1, P + 2, D] after the last layer
        rows = self.latent_rows(x, 0.0, side, w)
        return __torch__.models.denoising.decoder.layers(self.framed(rows, frame, w), caches, span,
                shape, w)

    def shortened(self, v: Tensor, guided: Tensor, dims: List[int], least: float) -> Tensor:
        # guided, no longer than v over the dims, and no shorter than least of what it was
        length = v.pow(2).sum(dims, True).sqrt()
        longer = guided.pow(2).sum(dims, True).sqrt()
        return guided * (length / (longer + 1e-08)).clamp(least, 1.0)

    def guided(self, v: Tensor, groups: List[int], how: Tuple[float, float, int, float]) -> Tensor:
        # v: [G, N, P, W] float32; groups: which of them has everything, lacks the last words, lacks
        # the pictures, the first alone where nothing guides; how: (text, image, renorm, least), renorm
        # 0 none, 1 of a whole picture, 2 of every patch, 3 of every patch and by words alone
        # -> [N, P, W]
        text, image, renorm, least = how
        full = v[groups[0]]
        if len(groups) == 1:
            return full
        guided = v[groups[1]] + text * (full - v[groups[1]])
        if renorm == 3:
            guided = self.shortened(full, guided, [2], least)
        if len(groups) == 3:
            guided = v[groups[2]] + image * (guided - v[groups[2]])
        if renorm == 1:
            guided = self.shortened(full, guided, [1, 2], least)
        if renorm == 2:
            guided = self.shortened(full, guided, [2], least)
        return guided

    def how(self, text: float, image: float, renorm: int, least: float) -> Tuple[float, float, int,
            float]:
        return (text, image, renorm, least)

    def velocity(self, x: Tensor, time: float, groups: List[int], how: Tuple[float, float, int,
            float], side: int, frame: Tensor, caches: List[List[Tensor]], span: Tuple[List[int],
            Tensor, List[int], List[int]], shape: Tuple[int, float], w: Dict[str,
            Tensor]) -> Tensor:
        # x: [N, y, x, W] float32 -> [N, y, x, W] float32 towards the noise; contexts that no group
        # names are not computed
        G = 1
        for group in groups:
            if group >= G:
                G = group + 1
        lengths, at, blocks, pictures = span
        here = (lengths[:G], at[:G], blocks, pictures)
        h = self.framed(self.latent_rows(x, time, side, w), frame, w).repeat(G, 1, 1)
        h = __torch__.models.denoising.decoder.layers(h, caches[:G], here, shape, w)
        h = __torch__.models.denoising.decoder.picture(h, here, shape, w)
        v = torch.linear(h, w["llm2vae.weight"], w["llm2vae.bias"]).float()
        v = v.view(G, x.shape[0], v.shape[1], v.shape[2])
        return self.guided(v, groups, how).view_as(x)

    def step(self, x: Tensor, time: float, row: Tensor, groups: List[int], how: Tuple[float, float,
            int, float], side: int, frame: Tensor, caches: List[List[Tensor]],
            span: Tuple[List[int], Tensor, List[int], List[int]], shape: Tuple[int, float],
            w: Dict[str, Tensor]) -> Tensor:
        # x: [N, y, x, W] float32, row: [9] of DiffusionStep -> [N, y, x, W] float32, less noisy
        v = self.velocity(x, time, groups, how, side, frame, caches, span, shape, w)
        return __torch__.core.nn.diffusion.step(x, v, x, row)

    def normed(self, h: Tensor, span: Tuple[List[int], Tensor, List[int], List[int]],
            shape: Tuple[int, float], w: Dict[str, Tensor]) -> Tensor:
        # h: [1, T, D] after the last layer -> [1, T, D] float32, every row after its own final norm
        x = __torch__.models.denoising.decoder.words(h, shape, w)
        if len(span[3]) > 0:
            begin = span[3][0]
            drawn = __torch__.models.denoising.decoder.picture(h, span, shape, w)
            x.narrow(1, begin, drawn.shape[1]).copy_(drawn)
        return x.float()

    def to_float(self, x: Tensor) -> Tensor:
        return x.float()
