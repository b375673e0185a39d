"""The settings of the network: its shape, its experts, its first weights."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from engine.settings.declaration import setting
from engine.settings.values import Auto, AutoFlag, Count, Flag

Architecture = Literal["minimind2", "minimind3"]


class NetworkSettings(BaseModel):
    """What network a run trains; `auto` values follow the architecture."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    architecture: Architecture = setting(
        "minimind2", "model", "new",
        "Generation of the network: minimind2 has a Llama's shape, minimind3 a Qwen3's (q/k norm, wider feed-forward).",
        "网络的代际：minimind2 与 Llama 同构，minimind3 与 Qwen3 同构（带 q/k 归一化，前馈层更宽）。",
        basic=True,
    )  # fmt: skip
    hidden_size: int = setting(
        512, "model", "new", "Width of the residual stream.", "残差流的宽度。", basic=True, ge=8, le=65536
    )
    num_hidden_layers: int = setting(
        8, "model", "new", "Number of transformer blocks.", "Transformer 层数。", basic=True, ge=1, le=1024
    )
    num_attention_heads: int = setting(8, "model", "new", "Query heads per layer.", "每层的查询头数。", ge=1, le=1024)
    num_key_value_heads: int = setting(
        2, "model", "new",
        "Key/value heads per layer; divides the query heads (grouped-query attention).",
        "每层的键值头数，须整除查询头数（分组查询注意力）。",
        ge=1, le=1024,
    )  # fmt: skip
    head_dim: Auto | Count = setting(
        "auto", "model", "new",
        "Width of one head; auto is hidden_size / num_attention_heads.",
        "单个注意力头的宽度；auto 即 hidden_size / num_attention_heads。",
    )  # fmt: skip
    intermediate_size: Auto | Count = setting(
        "auto", "model", "new",
        "Width inside the feed-forward; auto follows the architecture's rule (8h/3 or pi*h, rounded up to 64).",
        "前馈层内部宽度；auto 按架构规则计算（8h/3 或 pi*h，向上取整到 64）。",
    )  # fmt: skip
    qk_norm: AutoFlag = setting(
        "auto", "model", "new",
        "RMSNorm on each query and key head before RoPE; auto: minimind3 only.",
        "在 RoPE 之前对每个 q/k 头做 RMSNorm；auto：仅 minimind3。",
    )  # fmt: skip
    norm_cast: Literal["auto", "before_weight", "after_weight"] = setting(
        "auto", "model", "new",
        "Where RMSNorm returns to the working dtype: before or after its weight; auto follows the architecture.",
        "RMSNorm 在乘权重之前还是之后转回工作精度；auto 由架构决定。",
    )  # fmt: skip
    rms_norm_eps: Auto | Annotated[float, Field(gt=0, le=1)] = setting(
        "auto", "model", "new",
        "Epsilon of RMSNorm; auto: 1e-5 for minimind2, 1e-6 for minimind3.",
        "RMSNorm 的 epsilon；auto：minimind2 为 1e-5，minimind3 为 1e-6。",
    )  # fmt: skip
    rope_theta: float = setting(
        1e6, "model", "new", "Base of the rotary position embedding.", "旋转位置编码的基数。", gt=1
    )
    initializer: Literal["auto", "linear", "normal"] = setting(
        "auto", "model", "fork",
        "First weights: linear is U(+-1/sqrt(fan_in)), normal is N(0, 0.02); auto follows the architecture.",
        "初始权重：linear 为 U(±1/sqrt(fan_in))，normal 为 N(0, 0.02)；auto 由架构决定。",
    )  # fmt: skip
    use_moe: Flag = setting(
        False, "model", "new", "Mixture of experts in the feed-forward.", "在前馈层使用混合专家。", basic=True
    )
    num_experts: int = setting(
        4, "model", "new",
        "With use_moe: routed experts per layer, of which a router picks some for each token.",
        "use_moe 时：每层的路由专家数，路由器为每个词元从中选取。",
        ge=2, le=4096,
    )  # fmt: skip
    num_experts_per_tok: Auto | Count = setting(
        "auto", "model", "new",
        "With use_moe: experts that each token goes through (top-k); auto: 2 for minimind2, 1 for minimind3.",
        "use_moe 时：每个词元经过的专家数（top-k）；auto：minimind2 为 2，minimind3 为 1。",
    )  # fmt: skip
    num_shared_experts: Auto | Annotated[int, Field(ge=0, le=4096)] = setting(
        "auto", "model", "new",
        "With use_moe: experts that every token goes through besides; auto: 1 for minimind2, none for minimind3.",
        "use_moe 时：所有词元都经过的共享专家数；auto：minimind2 为 1，minimind3 为 0。",
    )  # fmt: skip
    moe_intermediate_size: Auto | Count = setting(
        "auto", "model", "new",
        "With use_moe: width inside each expert; auto is intermediate_size, not divided among them.",
        "use_moe 时：单个专家的内部宽度；auto 即 intermediate_size，不在专家之间平分。",
    )  # fmt: skip
    norm_topk_prob: AutoFlag = setting(
        "auto", "model", "new",
        "With use_moe: scale the weights of a token's experts to a sum of 1; auto: on, but off for a single expert, "
        "whose router would get no gradient (MiniMind scales there, too).",
        "use_moe 时：把每个词元所选专家的权重归一到和为 1；auto：开启，但只选一个专家时关闭，"
        "否则路由器得不到梯度（MiniMind 此时也归一）。",
    )  # fmt: skip
    aux_loss: Literal["auto", "sequence", "batch"] = setting(
        "auto", "model", "fork",
        "With use_moe: the loss that balances the experts' load, over each row or over the micro-batch; auto: "
        "sequence for minimind2, batch for minimind3.",
        "use_moe 时：均衡专家负载的辅助损失按行（sequence）还是按微批（batch）计算；"
        "auto：minimind2 为 sequence，minimind3 为 batch。",
    )  # fmt: skip
    aux_loss_coef: Auto | Annotated[float, Field(ge=0, le=100)] = setting(
        "auto", "model", "fork",
        "With use_moe: weight of that loss, 0 for none; auto: 0.01 for minimind2, 5e-4 for minimind3.",
        "use_moe 时：该辅助损失的系数，0 为不用；auto：minimind2 为 0.01，minimind3 为 5e-4。",
    )  # fmt: skip
    router_z_loss_coef: float = setting(
        0.0, "model", "fork",
        "With use_moe: weight of the loss that keeps the router's logits small (z-loss); 0 for none.",
        "use_moe 时：抑制路由器 logits 过大的 z-loss 的系数；0 为不用。",
        ge=0, le=100,
    )  # fmt: skip
