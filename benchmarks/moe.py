"""What a mixture of experts costs on the cpu: a step against the dense network's, and our dispatch against a loop.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/moe.py [--rows 8] [--rounds 7] [--threads 2] [--cpu-time]

All contestants live in one process and take turns, so that what else the machine does hits them alike; a ratio is the
median of the rounds' own ratios. A step is forward, loss and backward of one micro-batch of `--rows` rows of 512,
with gradients dropped before it; the optimiser's step is timed apart, since it grows with all parameters. Freed
memory is kept, as a training's worker does. With `--cpu-time` and one thread busy neighbours disturb least.

First the guide's 512-wide network against mixtures in which a token meets as many parameters: 4 experts of its width
and one choice, 16 of a quarter and four choices, 64 of an eighth and eight. Then one layer of the same mixtures by
itself, sorted tokens and slices against what MiniMind's trainer does: each token repeated for every choice, and each
expert's tokens found by a mask over all of them.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.data.synthetic_rows import SyntheticRows
from engine.estimate.size import active_parameters, parameters
from engine.model.feed_forward import FeedForward
from engine.model.initialise import initialise
from engine.model.mixture import MixtureOfExperts
from engine.model.transformer import LanguageModel
from engine.settings.balancing import Balancing
from engine.settings.shape import ModelShape, shape_of
from engine.train.balancing import auxiliary_loss
from engine.train.loss import linear_cross_entropy
from engine.train.optimizers import build_optimizer
from engine.worker.kept_memory import keep_freed_memory

WIDTH = 512
MIXTURES = ((4, 1, 1408), (16, 4, 352), (64, 8, 176))
BALANCING = Balancing("batch", 5e-4)

Work = Callable[[], object]
Clock = Callable[[], float]


def shape_with(experts: int, choices: int, size: int) -> ModelShape:
    return shape_of(
        "minimind3", hidden_size=512, num_hidden_layers=8, num_key_value_heads=2, intermediate_size=1408,
        num_experts=experts, num_experts_per_tok=choices, expert_size=size,
    )  # fmt: skip


def step_of(shape: ModelShape, rows: int) -> tuple[Work, Work]:
    """A step of the whole network, and its optimiser's."""
    model = LanguageModel(shape, generator=torch.Generator().manual_seed(0))
    optimizer = build_optimizer(model, lr=1e-4)
    batch = SyntheticRows(shape.vocab_size, WIDTH, piece_length=96).batch(list(range(rows)))
    ids, labels, positions, documents = map(
        torch.from_numpy, (batch.ids, batch.labels, batch.positions, batch.document_ids)
    )

    def step() -> None:
        optimizer.zero_grad()
        loss = linear_cross_entropy(model(ids, positions, documents), model.lm_head.weight, labels)
        routing = model.take_routing()
        if routing is not None:
            loss = loss + auxiliary_loss(routing, BALANCING)
        loss.backward()  # type: ignore[no-untyped-call]

    return step, optimizer.step


class MaskedLoop(nn.Module):
    """The other dispatch: every token repeated for each choice, an expert's rows found by comparing all choices."""

    def __init__(self, mixture: MixtureOfExperts, shape: ModelShape) -> None:
        super().__init__()
        self.gate, self.choices = nn.Parameter(mixture.gate.weight.detach().clone()), shape.num_experts_per_tok
        self.scale = shape.norm_topk_prob
        self.experts = nn.ModuleList(FeedForward(shape, shape.expert_size) for _ in range(shape.num_experts))
        self.experts.load_state_dict(mixture.experts.state_dict())

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(0, 1)
        weights, chosen = F.linear(flat, self.gate).softmax(-1).topk(self.choices, dim=-1)
        if self.scale:
            weights = weights / weights.sum(-1, keepdim=True)
        repeated, flat_chosen = flat.repeat_interleave(self.choices, dim=0), chosen.flatten()
        out = torch.empty_like(repeated)
        for number, expert in enumerate(self.experts):
            mine = flat_chosen == number
            out[mine] = expert(repeated[mine])
        mixed: Tensor = (out.view(len(flat), self.choices, -1) * weights[..., None]).sum(1)
        return mixed.view(x.shape)


def layers_of(shape: ModelShape, rows: int) -> tuple[Work, Work]:
    """Forward and backward of one layer's experts: ours and the masked loop's, which are checked to agree."""
    mixture = MixtureOfExperts(shape, recompute=False)
    initialise(mixture, "normal", torch.Generator().manual_seed(0))
    loop = MaskedLoop(mixture, shape)
    x = torch.randn(rows, WIDTH, shape.hidden_size, generator=torch.Generator().manual_seed(1)).requires_grad_()
    upstream = torch.randn(x.shape, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(mixture(x)[0], loop(x), rtol=1e-3, atol=1e-5)

    def work(module: nn.Module, function: Callable[[Tensor], Tensor]) -> Work:
        def once() -> None:
            module.zero_grad()
            x.grad = None
            function(x).backward(upstream)  # type: ignore[no-untyped-call]

        return once

    return work(mixture, lambda x: mixture(x)[0]), work(loop, loop)


def alternate(works: list[Work], rounds: int, clock: Clock) -> list[list[float]]:
    """Seconds of each work in each round, after one that is not counted."""
    for work in works:
        work()
    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for work, found in zip(works, seconds, strict=True):
            began = clock()
            work()
            found.append(clock() - began)
    return seconds


def ratio(other: list[float], base: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(other, base, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=8, help="rows of 512 in a micro-batch")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--cpu-time", action="store_true", help="count the process's CPU time, not the wall's")
    options = parser.parse_args()
    clock = time.process_time if options.cpu_time else time.perf_counter
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)

    shapes = [shape_with(0, 0, 0), *(shape_with(*mixture) for mixture in MIXTURES)]
    steps, optimisers = zip(*(step_of(shape, options.rows) for shape in shapes), strict=True)
    seconds = alternate(list(steps), options.rounds, clock)
    own = alternate(list(optimisers), options.rounds, clock)
    print(f"{options.rows} rows of {WIDTH}, {options.threads} threads, {'CPU' if options.cpu_time else 'wall'} seconds")
    print(f"median of {options.rounds} rounds in turns\n")
    print(f"{'':>24} {'parameters':>11} {'active':>11} {'s a step':>9} {'to dense':>9} {'optimiser, s':>13}")
    for shape, found, apart in zip(shapes, seconds, own, strict=True):
        name = "dense" if not shape.num_experts else name_of(shape)
        print(
            f"{name:>24} {parameters(shape):11,} {active_parameters(shape):11,} {statistics.median(found):9.3f} "
            f"{ratio(found, seconds[0]):9.2f} {statistics.median(apart):13.3f}"
        )
    print(f"\n{'one layer':>24} {'sorted, s':>10} {'masked loop, s':>15} {'sorted to loop':>15}")
    for mixture in MIXTURES:
        shape = shape_with(*mixture)
        ours, loop = alternate(list(layers_of(shape, options.rows)), 2 * options.rounds, clock)
        print(
            f"{name_of(shape):>24} {statistics.median(ours):10.3f} {statistics.median(loop):15.3f} "
            f"{ratio(ours, loop):15.2f}"
        )


def name_of(shape: ModelShape) -> str:
    return f"{shape.num_experts_per_tok} of {shape.num_experts}, {shape.expert_size} wide"


if __name__ == "__main__":
    main()
