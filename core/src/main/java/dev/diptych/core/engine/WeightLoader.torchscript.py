class WeightLoader(Module):
    def empty(self, shape: List[int], dtype: int, like: Tensor) -> Tensor:
        return torch.empty(shape, dtype=dtype, device=like.device)

    def write(self, target: Tensor, first: int, raw: Tensor, stored: int) -> Tensor:
        # raw: [n * size] int8, the bytes of n numbers of dtype `stored`; written from number `first`
        x = torch.view_copy(raw, dtype=stored)
        target.view(-1).narrow(0, first, x.shape[0]).copy_(x)
        return target

    def write_columns(
        self, target: Tensor, row: int, column: int, width: int, raw: Tensor, stored: int
    ) -> Tensor:
        # target: [R, C]; raw: whole rows of a piece that is `width` wide, from row `row` on
        x = torch.view_copy(raw, dtype=stored).view(-1, width)
        target.narrow(0, row, x.shape[0]).narrow(1, column, width).copy_(x)
        return target
