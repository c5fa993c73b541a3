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

    def quantise8(self, x: Tensor, pack: bool) -> List[Tensor]:
        # x: [N, K] -> int8 [N, K], scales [N] and shift [N]; symmetric, a scale a row. Some rows at a
        # time, which stay in the processor's cache. Packed, the scales are float32; the kernel for
        # plain ones takes bfloat16. shift: see core/nn/linear.
        N, K = x.shape
        q = torch.empty([N, K], dtype=1, device=x.device)
        scales = torch.empty([N], dtype=6, device=x.device)
        sums = torch.empty([N], dtype=6, device=x.device)
        rows = max(1, 262144 // K)
        for first in range(0, N, rows):
            count = min(rows, N - first)
            f = x.narrow(0, first, count).float()
            s = (f.abs().amax(1) / 127.0).clamp_min_(1e-12)
            if not pack:
                s = s.to(15).float()
            n = torch.div(f, s.unsqueeze(1)).round_().clamp_(-127, 127)
            q.narrow(0, first, count).copy_(n)
            scales.narrow(0, first, count).copy_(s)
            sums.narrow(0, first, count).copy_(n.sum([1]))
        if pack:
            shift = scales * sums * -128.0
            return [ops.onednn.qlinear_prepack(q, [128, K]), scales, shift]
        return [q, scales.to(15)]

    def quantise4(self, x: Tensor, group: int) -> List[Tensor]:
        # x: [N, K] -> packed uint8 [N, K/2] and bfloat16 (scale, zero) [K/G, N, 2];
        # number = (q - 8) * scale + zero, q of 0 to 15. A few rows at a time, so that what is tried
        # stays in the processor's cache.
        N, K = x.shape
        numbers = torch.empty([N, K], dtype=3, device=x.device)
        both = torch.empty([K // group, N, 2], dtype=15, device=x.device)
        rows = max(1, 262144 // K)
        for first in range(0, N, rows):
            count = min(rows, N - first)
            f = x.narrow(0, first, count).float().view(count, K // group, group)
            scale, zero = self.range4(f)
            q = self.numbers4(f, scale, zero)
            numbers.narrow(0, first, count).copy_(q.view(count, K))
            both.narrow(1, first, count).copy_(torch.stack([scale, zero], 2).transpose(0, 1))
        return [torch._convert_weight_to_int4pack_for_cpu(numbers, 1), both]

    def numbers4(self, f: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
        # f: [n, K/G, G], scale, zero: [n, K/G] -> [n, K/G, G] of 0 to 15, float32
        q = (f - zero.unsqueeze(2)) / scale.unsqueeze(2) + 8.0
        return q.round_().clamp_(0, 15)

    def range4(self, f: Tensor) -> Tuple[Tensor, Tensor]:
        # f: [n, K/G, G] -> scale and zero [n, K/G], float32 that bfloat16 holds. From the least to the
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
            seen = (self.numbers4(f, s, z) - 8.0) * s.unsqueeze(2) + z.unsqueeze(2)
            error = (seen - f).square_().sum(2)
            better = error < least
            least = torch.where(better, error, least)
            scale = torch.where(better, s, scale)
            zero = torch.where(better, z, zero)
        return (scale, zero)

    def item(self, parts: List[Tensor], i: int) -> Tensor:
        return parts[i]
