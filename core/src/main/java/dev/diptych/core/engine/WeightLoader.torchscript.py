class WeightLoader(Module):
    def empty(self, shape: List[int], dtype: int, like: Tensor) -> Tensor:
        return torch.empty(shape, dtype=dtype, device=like.device)

    def map(self, path: str, numbers: int, dtype: int) -> Tensor:
        # the pages are private: whoever writes gets a copy of the page, the file stays
        return torch.from_file(path, False, numbers, dtype=dtype)

    def part(self, file: Tensor, first: int, numbers: int, shape: List[int]) -> Tensor:
        return file.narrow(0, first, numbers).view(shape)

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

    def quantise8(self, x: Tensor) -> List[Tensor]:
        # x: [N, K] -> int8 [N, K] and bfloat16 scales [N]; symmetric, a scale a row
        f = x.float()
        scales = (f.abs().amax(1) / 127.0).clamp_min(1e-12).to(15)
        q = (f / scales.float().unsqueeze(1)).round().clamp(-127, 127).to(1)
        return [q, scales]

    def quantise4(self, x: Tensor, group: int) -> List[Tensor]:
        # x: [N, K] -> packed uint8 [N, K/2] and bfloat16 (scale, zero) [K/G, N, 2];
        # number = (q - 8) * scale + zero, q of 0 to 15
        N, K = x.shape
        f = x.float().view(N, K // group, group)
        low = f.amin(2)
        scale = ((f.amax(2) - low) / 15.0).clamp_min(1e-12).to(15)
        zero = (low + 8.0 * scale.float()).to(15)
        q = (f - zero.float().unsqueeze(2)) / scale.float().unsqueeze(2) + 8.0
        q = q.round().clamp(0, 15).to(3).view(N, K)
        both = torch.stack([scale, zero], 2).transpose(0, 1).contiguous()
        return [torch._convert_weight_to_int4pack_for_cpu(q, 1), both]

    def first(self, both: List[Tensor]) -> Tensor:
        return both[0]

    def second(self, both: List[Tensor]) -> Tensor:
        return both[1]
