class JoinedProjectionsTwin(Module):
    def joined(self, x: Tensor, w: Dict[str, Tensor]) -> Tensor:
        # x: [M, D] float32 -> [M, H*K + 2*kv + D] float32, through bfloat16
        x = x.to(15)
        q, k, v = __torch__.core.nn.linear.qkv(x, w, "model.layers.1.self_attn.", "", 32)
        y = __torch__.core.nn.linear.swiglu(x, w, "model.layers.1.mlp.")
        return torch.cat([q, k, v, y], -1).float()

    def apart(self, x: Tensor, w: Dict[str, Tensor]) -> Tensor:
        x = x.to(15)
        a = "model.layers.1.self_attn."
        m = "model.layers.1.mlp."
        q = __torch__.core.nn.linear.linear(x, w, a + "q_apart")
        k = __torch__.core.nn.linear.linear(x, w, a + "k_apart")
        v = __torch__.core.nn.linear.linear(x, w, a + "v_apart")
        y = torch.silu(__torch__.core.nn.linear.linear(x, w, m + "gate_apart"))
        y = y * __torch__.core.nn.linear.linear(x, w, m + "up_apart")
        y = __torch__.core.nn.linear.linear(y, w, m + "down_apart")
        return torch.cat([q, k, v, y], -1).float()
