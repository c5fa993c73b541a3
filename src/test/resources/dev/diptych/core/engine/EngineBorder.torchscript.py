class EngineBorder(Module):
    def convert(self, x: Tensor, dtype: int) -> Tensor:
        return x.to(dtype)
