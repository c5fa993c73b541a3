# A weight is stored in the model's dtype, or quantised: int8 [N, K] with a scale a row, `.scales` [N];
# int4 packed for this processor, uint8 [N, K/2], `.scales_and_zeros` [K/G, N, 2] for groups of G.
# The kernels for quantised weights check nothing: the loader quantises only shapes that they take.


def linear(x: Tensor, w: Dict[str, Tensor], name: str) -> Tensor:
    # x: [..., K] -> [..., N]
    weight = w[name + ".weight"]
    if weight.dtype == 1:
        rows = x.reshape(-1, x.shape[-1])
        scales = w[name + ".scales"]
        if rows.shape[0] <= 64:
            # Four rows take the kernel hardly longer than one, and five twice as long.
            parts: List[Tensor] = []
            for part in rows.contiguous().split(4):
                parts.append(torch._weight_int8pack_mm(part, weight, scales))
            y = torch.cat(parts) if len(parts) > 1 else parts[0]
        else:
            # bfloat16 holds the integers exactly, so the scales may wait for the product.
            y = torch.linear(rows, weight.type_as(x)) * scales
        y = y.view(x.shape[:-1] + [weight.shape[0]])
        bias = w.get(name + ".bias")
        if bias is not None:
            y = y + bias
        return y
    if weight.dtype == 0:
        rows = x.reshape(-1, x.shape[-1])
        scales = w[name + ".scales_and_zeros"]
        group = x.shape[-1] // scales.shape[0]
        y = torch._weight_int4pack_mm_for_cpu(rows.contiguous(), weight, group, scales)
        y = y.view(x.shape[:-1] + [scales.shape[1]])
        bias = w.get(name + ".bias")
        if bias is not None:
            y = y + bias
        return y
    return torch.linear(x, weight, w.get(name + ".bias"))
