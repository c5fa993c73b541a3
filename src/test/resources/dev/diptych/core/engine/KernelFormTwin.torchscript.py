class KernelFormTwin(Module):
    def multiply(self, x: Tensor, w: Dict[str, Tensor]) -> Tensor:
        # x: [M, K] float32 -> [M, N] float32, through bfloat16
        return __torch__.core.nn.linear.linear(x.to(15), w, "layers.1.m").float()
