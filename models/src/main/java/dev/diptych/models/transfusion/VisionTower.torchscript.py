# Pictures that are read, as rows of words: CLIP's tower and LLaVA's projector. Names are those of
# transformers' LlavaForConditionalGeneration. form: (head_dim, eps, quick), see core.nn.clip.


class VisionTower(Module):
    def form(self, head_dim: int, eps: float, quick: bool) -> Tuple[int, float, bool]:
        return (head_dim, eps, quick)

    def features(self, pixels: Tensor, layers: int, class_token: bool, form: Tuple[int, float, bool],
            w: Dict[str, Tensor]) -> Tensor:
        # pixels: [1, 3, Y, X] float32 -> [1, P, D], what stands in for words
        x = __torch__.core.nn.clip.tower(pixels, layers, form, w, "vision_tower.")
        if not class_token:
            x = x[:, 1:]
        p = "multi_modal_projector."
        x = torch.gelu(torch.linear(x, w[p + "linear_1.weight"], w.get(p + "linear_1.bias")))
        return torch.linear(x, w[p + "linear_2.weight"], w.get(p + "linear_2.bias"))

    def read(self, rows: Tensor, caches: List[List[Tensor]], span: Tuple[List[int], Tensor, List[int],
            List[int]], shape: Tuple[int, float], w: Dict[str, Tensor]) -> int:
        # rows: [1, P, D]; their keys and values are in the cache then
        __torch__.models.denoising.decoder.layers(rows, caches, span, shape, w)
        return rows.shape[1]

    def to_float(self, x: Tensor) -> Tensor:
        return x.float()
