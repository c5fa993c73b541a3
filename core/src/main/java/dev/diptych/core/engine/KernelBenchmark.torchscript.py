class KernelBenchmark(Module):
    def bfloat16(self, n: int, k: int) -> Dict[str, Tensor]:
        w: Dict[str, Tensor] = {}
        w["m.weight"] = (torch.rand([n, k], dtype=6) - 0.5).to(15)
        return w

    def int8(self, n: int, k: int) -> Dict[str, Tensor]:
        w: Dict[str, Tensor] = {}
        w["m.weight"] = torch.randint(-127, 128, [n, k], dtype=1)
        w["m.scales"] = (torch.rand([n], dtype=6) * 0.01).to(15)
        return w

    def packed8(self, n: int, k: int) -> Dict[str, Tensor]:
        w: Dict[str, Tensor] = {}
        q = torch.randint(-127, 128, [n, k], dtype=1)
        w["m.weight"] = ops.onednn.qlinear_prepack(q, [128, k])
        w["m.scales"] = torch.rand([n], dtype=6) * 0.01
        w["m.shift"] = w["m.scales"] * -128.0
        return w

    def int4(self, n: int, k: int) -> Dict[str, Tensor]:
        w: Dict[str, Tensor] = {}
        q = torch.randint(0, 16, [n, k], dtype=3)
        w["m.weight"] = torch._convert_weight_to_int4pack_for_cpu(q, 1)
        w["m.scales_and_zeros"] = (torch.rand([k // 32, n, 2], dtype=6) * 0.01).to(15)
        return w

    def rows(self, m: int, k: int) -> Tensor:
        return (torch.rand([m, k], dtype=6) - 0.5).to(15)

    def multiply(self, x: Tensor, w: Dict[str, Tensor]) -> int:
        # x: [M, K] bfloat16
        return __torch__.core.nn.linear.linear(x, w, "m").shape[1]
