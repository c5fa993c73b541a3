class ClipTower(Module):
    def tower(self, pixels: Tensor, layers: int, head_dim: int, eps: float, quick: bool,
            w: Dict[str, Tensor]) -> Tensor:
        # [N, 3, Y, X] -> [N, 1 + P, D]
        return __torch__.core.nn.clip.tower(pixels, layers, (head_dim, eps, quick), w,
                "vision_tower.vision_model.")
