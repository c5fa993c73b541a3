# A weight is stored in the model's dtype, bfloat16 perhaps in oneDNN's packing, or quantised: int8
# [N, K] with a scale a row, `.scales` [N], in oneDNN's packing where that multiplies integers exactly
# (then `.shift` [N] lies beside it), and plain elsewhere; int4 packed for this processor, uint8
# [N, K/2], `.scales_and_zeros` [K/G, N, 2] for groups of G. The kernels for quantised weights check
# nothing: the loader quantises only shapes that they take. Those for int4 and plain int8 win while rows
# of x are few. For many, rows of the weight become bfloat16 again, so many at a time that they stay in
# the processor's cache, and the dense product takes them.


def linear(x: Tensor, w: Dict[str, Tensor], name: str) -> Tensor:
    # x: [..., K] -> [..., N]
    weight = w[name + ".weight"]
    bias = w.get(name + ".bias")
    if weight.is_mkldnn and weight.dtype == 15:
        return ops.mkldnn._linear_pointwise(x, weight, bias, "none",
                annotate(List[Optional[number]], []), "")
    if weight.is_mkldnn:
        rows = x.reshape(-1, x.shape[-1])
        shift = w[name + ".shift"]
        y = __torch__.core.nn.linear.packed8(rows, weight, w[name + ".scales"], shift)
    elif weight.dtype == 1:
        rows = x.reshape(-1, x.shape[-1]).contiguous()
        y = __torch__.core.nn.linear.product8(rows, weight, w[name + ".scales"])
    elif weight.dtype == 0:
        rows = x.reshape(-1, x.shape[-1]).contiguous()
        y = __torch__.core.nn.linear.product4(rows, weight, w[name + ".scales_and_zeros"])
    else:
        return torch.linear(x, weight, bias)
    y = y.view(x.shape[:-1] + [y.shape[1]])
    if bias is not None:
        y = y + bias
    return y


def qkv(x: Tensor, w: Dict[str, Tensor], p: str, end: str, kv: int) -> Tuple[Tensor, Tensor,
        Tensor]:
    # x: [..., D] -> queries [..., H*K], keys and values [..., kv]; p and end: what stands before and
    # behind "q_proj" in the name
    if (p + "qkv_proj" + end + ".weight") in w:
        y = __torch__.core.nn.linear.linear(x, w, p + "qkv_proj" + end)
        n = y.shape[-1] - 2 * kv
        return (y.narrow(-1, 0, n), y.narrow(-1, n, kv), y.narrow(-1, n + kv, kv))
    return (__torch__.core.nn.linear.linear(x, w, p + "q_proj" + end),
            __torch__.core.nn.linear.linear(x, w, p + "k_proj" + end),
            __torch__.core.nn.linear.linear(x, w, p + "v_proj" + end))


def swiglu(x: Tensor, w: Dict[str, Tensor], p: str) -> Tensor:
    # x: [..., D] -> [..., D]; p: what stands before "gate_proj" in the name
    if (p + "gate_up_proj.weight") in w:
        y = __torch__.core.nn.linear.linear(x, w, p + "gate_up_proj")
        n = y.shape[-1] // 2
        gate = y.narrow(-1, 0, n)
        up = y.narrow(-1, n, n)
    else:
        gate = __torch__.core.nn.linear.linear(x, w, p + "gate_proj")
        up = __torch__.core.nn.linear.linear(x, w, p + "up_proj")
    return __torch__.core.nn.linear.linear(torch.silu(gate).mul_(up), w, p + "down_proj")


def packed8(x: Tensor, weight: Tensor, scales: Tensor, shift: Tensor) -> Tensor:
    # x: [M, K], weight: packed int8 [N, K], scales, shift: [N] -> [M, N]. The processor multiplies bytes
    # by bytes and adds up without a rounding. So a row of x is written as most / 32639 * (256 * (high -
    # 128) + (low - 128)), 16 bits where bfloat16 has 8; scales hold the 32639th part, and shift is what
    # -128 in all columns gives.
    M = x.shape[0]
    none = annotate(List[Optional[number]], [])
    if M <= 192:
        # Both bytes are rows of one product: the weight is read once.
        most, high, low = __torch__.core.nn.linear.bytes8(x)
        y = ops.onednn.qlinear_pointwise(torch.cat([high, low]).to(2).to(0), 1.0, 0, weight, scales,
                shift, shift, 1.0, 0, 6, "none", none, "")
        return torch.add(y.narrow(0, M, M), y.narrow(0, 0, M), alpha=256).mul_(most).type_as(x)
    # Of many rows the sum of both bytes is a pass of its own, unless the second product adds to it.
    found = x.new_empty([M, scales.shape[0]])
    shift256 = shift * 256.0
    first = 0
    for rows in x.split(256):
        most, high, low = __torch__.core.nn.linear.bytes8(rows)
        y = ops.onednn.qlinear_pointwise(high.to(2).to(0), 256.0, 0, weight, scales, shift, shift256,
                1.0, 0, 6, "none", none, "")
        y = ops.onednn.qlinear_pointwise(low.to(2).to(0), 1.0, 0, weight, scales, shift, y, shift, 1.0,
                0, 6, 1.0, 0, "sum", 1.0, "none", none, "")
        found.narrow(0, first, rows.shape[0]).copy_(y.mul_(most))
        first += rows.shape[0]
    return found


def bytes8(x: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    # x: [M, K] -> most [M, 1], high and low [M, K], float32; what is behind a point is to be cut off.
    # By way of 16 bits float32 turns into bytes up to four times faster. Few and small operations: of
    # one row, each takes longer than its numbers do.
    f = x.float()
    most = f.abs().amax([1], True).clamp_min_(1e-30)
    n = (f * (32639.0 / most)).add_(32896.5)  # 257.5 to 65535.5
    high = n.mul(1.0 / 256).floor_()
    return (most, high, n.sub_(high, alpha=256))


def product8(x: Tensor, weight: Tensor, scales: Tensor) -> Tensor:
    # x: [M, K], weight: int8 [N, K] -> [M, N]
    parts: List[Tensor] = []
    if x.shape[0] <= 48:
        # Four rows take the kernel hardly longer than one, and five twice as long.
        for rows in x.split(4):
            parts.append(torch._weight_int8pack_mm(rows, weight, scales))
        return torch.cat(parts) if len(parts) > 1 else parts[0]
    # bfloat16 holds the integers exactly, so the scales may wait for the product.
    for rows in weight.split(512):
        parts.append(torch.linear(x, rows.type_as(x)))
    return torch.cat(parts, 1).mul_(scales)


def product4(x: Tensor, weight: Tensor, scales: Tensor) -> Tensor:
    # x: [M, K], weight: packed [N, K/2], scales: [K/G, N, 2] -> [M, N]
    M, K = x.shape
    N = weight.shape[0]
    group = K // scales.shape[0]
    block = 0
    if M > 64:
        block = __torch__.core.nn.linear.packed_together(weight)
    if block == 0 or N % block != 0:
        return torch._weight_int4pack_mm_for_cpu(x, weight, group, scales)
    # A block of rows has what is packed of a column together, so that 32 columns of it lie in memory
    # as a matrix of 32 columns would. All of these times the identity are the numbers as the kernel
    # sees them, [K, block]: first column 0 of all strips of 32, then column 1.
    blocks = N // block
    strips = K // 32
    identity = torch.eye(32, dtype=x.dtype, device=x.device)
    packed = weight.view(blocks, block * strips, 16)
    own = scales.view(scales.shape[0], blocks, block, 2).transpose(0, 1)
    own = own.repeat_interleave(group // 32, 1).view(blocks, 1, block * strips, 2)
    x = x.view(M, strips, 32).transpose(1, 2).reshape(M, K)
    y = torch.empty([M, N], dtype=x.dtype, device=x.device)
    for i in range(blocks):
        numbers = torch._weight_int4pack_mm_for_cpu(identity, packed[i], 32, own[i]).view(K, block)
        y.narrow(1, i * block, block).copy_(torch.mm(x, numbers))
    return y


def packed_together(like: Tensor) -> int:
    # How many rows of a weight the packing for this processor interleaves, 0 where that is unknown:
    # 64 hold row 32 in the first byte beside row 0, 32 begin a block of their own with it.
    probe = torch.zeros([64, 32], dtype=3, device=like.device)
    probe.narrow(0, 32, 1).narrow(1, 0, 1).fill_(1)
    packed = torch._convert_weight_to_int4pack_for_cpu(probe, 1).view(-1)
    if int(packed[0].item()) == 16:
        return 64
    if int(packed[512].item()) == 1:
        return 32
    return 0
