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

    def packs8(self, like: Tensor) -> Tensor:
        # [1] float32, not 0 where oneDNN multiplies bytes without a loss. A processor that adds
        # two products in 16 bits first cuts off the largest.
        K = 128
        q = torch.full([32, K], 127, dtype=1, device=like.device)
        ones = torch.ones([32], dtype=6, device=like.device)
        x = torch.full([4, K], 255, dtype=0, device=like.device)
        y = ops.onednn.qlinear_pointwise(x, 1.0, 0, ops.onednn.qlinear_prepack(q, [4, K]), ones, ones,
                ones, 1.0, 0, 6, "none", annotate(List[Optional[number]], []), "")
        return (y == 255.0 * 127.0 * K + 1.0).all().float().view([1])

    def numbers(self, raw: Tensor, stored: int, width: int) -> Tensor:
        # raw: int8, the bytes of rows of `width` numbers of dtype `stored`
        return torch.view_copy(raw, dtype=stored).view(-1, width)

    # A tensor gets its kernel's form in three steps: begin, rows as they are read, end. `scratch` is
    # for numbers that are packed at the end; `how` is 1 to pack 8 bits and 0 not to, or the group of 4.
    # Some rows at a time, whose passing forms stay in the processor's cache.

    def begin8(self, n: int, k: int, how: int, scratch: Tensor) -> List[Tensor]:
        q = scratch.narrow(0, 0, n * k).view(n, k)
        return [q, torch.empty([n], dtype=6, device=q.device)]

    def rows8(self, x: Tensor, begun: List[Tensor], row: int, how: int) -> int:
        # x: [R, K], rows from `row` on; symmetric, a scale a row
        R, K = x.shape
        step = max(1, 262144 // K)
        for first in range(0, R, step):
            rows = x.narrow(0, first, min(step, R - first))
            s = (rows.abs().amax([1], True).float() / 127.0).clamp_min_(1e-12)
            if how == 0:
                s = s.to(15).float()
            n = rows.float().mul(s.reciprocal()).round_().clamp_(-127, 127)
            begun[0].narrow(0, row + first, n.shape[0]).copy_(n)
            begun[1].narrow(0, row + first, n.shape[0]).copy_(s.squeeze(1))
        return row + R

    def end8(self, begun: List[Tensor], how: int) -> List[Tensor]:
        # -> int8 [N, K], scales [N] float32, shift [N], see core/nn/linear; unpacked, the kernel takes
        # bfloat16 scales
        q, scales = begun
        if how == 0:
            return [q.clone(), scales.to(15)]
        packed = ops.onednn.qlinear_prepack(q, [128, q.shape[1]])
        scales = scales / 32639.0
        ones = torch.ones([1, q.shape[1]], dtype=0, device=q.device)
        zero = torch.zeros_like(scales)
        shift = ops.onednn.qlinear_pointwise(ones, 1.0, 0, packed, scales, zero, zero, 1.0, 0, 6,
                "none", annotate(List[Optional[number]], []), "")
        return [packed, scales, shift.view(-1).mul_(-128.0)]

    def begin4(self, n: int, k: int, how: int, scratch: Tensor) -> List[Tensor]:
        q = scratch.narrow(0, 0, n * k).view(n, k)
        return [q, torch.empty([k // how, n, 2], dtype=15, device=q.device)]

    def rows4(self, x: Tensor, begun: List[Tensor], row: int, how: int) -> int:
        # x: [R, K], rows from `row` on; number = (q - 8) * scale + zero, q of 0 to 15
        R, K = x.shape
        step = max(1, 262144 // K)
        for first in range(0, R, step):
            count = min(step, R - first)
            f = x.narrow(0, first, count).float().view(count, K // how, how)
            scale, zero = self.range4(f)
            q = self.numbers4(f, scale, zero).round_().clamp_(0, 15)
            begun[0].narrow(0, row + first, count).copy_(q.view(count, K))
            both = torch.stack([scale, zero], 2).transpose(0, 1)
            begun[1].narrow(1, row + first, count).copy_(both)
        return row + R

    def end4(self, begun: List[Tensor], how: int) -> List[Tensor]:
        # -> packed uint8 [N, K/2], (scale, zero) [K/G, N, 2] bfloat16
        return [torch._convert_weight_to_int4pack_for_cpu(begun[0], 1), begun[1]]

    def begin16(self, n: int, k: int, how: int, scratch: Tensor) -> List[Tensor]:
        return [scratch.narrow(0, 0, n * k).view(n, k)]

    def rows16(self, x: Tensor, begun: List[Tensor], row: int, how: int) -> int:
        begun[0].narrow(0, row, x.shape[0]).copy_(x)
        return row + x.shape[0]

    def end16(self, begun: List[Tensor], how: int) -> List[Tensor]:
        if not ops.mkldnn._is_mkldnn_bf16_supported():
            return [begun[0].clone()]  # oneDNN may be told to use less than the processor can
        return [ops.mkldnn._reorder_linear_weight(begun[0], 512)]

    def numbers4(self, f: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
        # f: [R, K/G, G], scale, zero: [R, K/G] -> [R, K/G, G], not rounded
        inverse = scale.reciprocal()
        return torch.addcmul((8.0 - zero * inverse).unsqueeze(2), f, inverse.unsqueeze(2))

    def range4(self, f: Tensor) -> Tuple[Tensor, Tensor]:
        # f: [R, K/G, G] -> scale and zero [R, K/G], float32 that bfloat16 holds. From the least to the
        # largest number of a group, or narrower where that gives less square error: a few numbers far
        # out would coarsen all others.
        low = f.amin(2)
        high = f.amax(2)
        least = torch.full_like(low, inf)
        scale = low
        zero = low
        for keep in [1.0, 0.94, 0.88, 0.82, 0.76]:
            cut = (high - low) * ((1.0 - keep) / 2)
            s = ((high - low) * (keep / 15.0)).clamp_min(1e-12).to(15).float()
            z = (low + cut + 8.0 * s).to(15).float()
            t = self.numbers4(f, s, z)
            error = t.round().clamp_(0, 15).sub_(t).square_().sum(2).mul_(s * s)
            better = error < least
            least = torch.where(better, error, least)
            scale = torch.where(better, s, scale)
            zero = torch.where(better, z, zero)
        return (scale, zero)

    def item(self, parts: List[Tensor], i: int) -> Tensor:
        return parts[i]
