class AllLogits(Module):
    def logits(self, ids: Tensor, caches: List[List[Tensor]], span: Tuple[List[int], Tensor,
            List[int], List[int]], shape: Tuple[int, float], w: Dict[str, Tensor]) -> Tensor:
        # ids: [1, T] -> [1, T, V] float32
        h = torch.embedding(w["model.embed_tokens.weight"], ids)
        h = __torch__.models.denoising.decoder.layers(h, caches, span, shape, w)
        h = __torch__.models.denoising.decoder.words(h, shape, w)
        return torch.linear(h, __torch__.models.denoising.decoder.head(w)).float()
