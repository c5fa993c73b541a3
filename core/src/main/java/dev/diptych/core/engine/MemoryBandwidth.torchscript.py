class MemoryBandwidth(Module):
    def allocate(self, length: int, like: Tensor) -> Tensor:
        # written, not only reserved: untouched pages are all the same page
        return torch.ones([length], dtype=6, device=like.device)

    def read(self, x: Tensor) -> Tensor:
        # x: [n] float32 -> [1]
        return x.sum().view(-1)
