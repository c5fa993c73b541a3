# A weight is stored in the model's dtype, or quantised: int8 [N, K] with a scale a row, `.scales` [N];
# int4 packed for this processor, uint8 [N, K/2], `.scales_and_zeros` [K/G, N, 2] for groups of G.
# The kernels for quantised weights check nothing: the loader quantises only shapes that they take.
# They win while rows of x are few. For many, rows of the weight become bfloat16 again, so many at a
# time that they stay in the processor's cache, and the dense product takes them: of 512 rows of x
# and 4096 columns that takes 1.25 times what a weight in bfloat16 takes from int8, and twice from
# int4, where the kernels take 9 times.


def linear(x: Tensor, w: Dict[str, Tensor], name: str) -> Tensor:
    # x: [..., K] -> [..., N]
    weight = w[name + ".weight"]
    bias = w.get(name + ".bias")
    if weight.dtype == 1:
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
