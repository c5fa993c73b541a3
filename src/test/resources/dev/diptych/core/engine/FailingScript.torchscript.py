class FailingScript(Module):
    def fail(self, n: int) -> Tensor:
        x = torch.zeros([2, 3])
        return torch.linear(x, torch.zeros([n, 4]))
