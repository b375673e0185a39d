"""What a person should know of the experts that were asked for, before a run starts."""

from engine.language import _
from engine.settings.settings import Settings
from engine.settings.shape import ModelShape

EXPERT_SETTINGS = (
    "num_experts",
    "num_experts_per_tok",
    "num_shared_experts",
    "moe_intermediate_size",
    "norm_topk_prob",
    "aux_loss",
    "aux_loss_coef",
    "router_z_loss_coef",
)
"""Settings that count with use_moe alone."""


def mixture_notes(settings: Settings, shape: ModelShape) -> list[str]:
    """Sentences about settings of experts without effect, or with one that is seldom wanted."""
    if not settings.use_moe:
        usual = Settings.model_fields
        asked = [name for name in EXPERT_SETTINGS if getattr(settings, name) != usual[name].default]
        if not asked:
            return []
        return [_("Without use_moe these change nothing: {names}.").format(names=", ".join(asked))]
    if shape.num_experts_per_tok == 1 and shape.norm_topk_prob:
        return [
            _(
                "norm_topk_prob scales the weight of each token's only expert to 1: the router gets next to no "
                "gradient and hardly learns. With auto it is left as it is."
            )
        ]
    return []
