class ManyRows(Module):
    def differing(self, x: Tensor, weight: Tensor, dtype: int) -> Tensor:
        # x: [B, T, D] -> [1], how many numbers of RMSNorm at once are others than those of a row at a time,
        # or of x others than before
        x = x.to(dtype)
        weight = weight.to(dtype)
        before = x.clone()
        norms: List[Tensor] = []
        for row in x.view(-1, x.shape[2]).split(1):
            norms.append(__torch__.core.nn.norm.rms_norm(row, weight, 1e-05))
        found = __torch__.core.nn.norm.rms_norm(x, weight, 1e-05)
        wrong = torch.ne(found.view(-1, x.shape[2]), torch.cat(norms)).sum()
        return (wrong + torch.ne(x, before).sum()).view(1)
