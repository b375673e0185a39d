"""Generation in a process of its own: one JSON request on standard input, the answer as JSON lines while it comes.

Request: `weights` (path), `tokenizer` (path), `prompt`, and optionally `shape` (for a .pth that does not tell its
heads), `max_tokens`, `temperature`, `top_k`, `top_p`, `seed`, `device`, `use_cache`. Answer: `{"text": ...}` for each
piece, then `{"done": true, "tokens": n, "tokens_per_s": x}`; a mistake of the user is `{"error": ...}` and exit code 2.
"""

import sys
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import orjson

from engine.errors import UserError
from engine.language import _
from engine.worker.waiting_threads import let_waiting_threads_sleep


@dataclass(frozen=True)
class GenerationRequest:
    """What to continue, with which weights, and how."""

    weights: str
    tokenizer: str
    prompt: str = ""
    shape: dict[str, Any] | None = None
    max_tokens: int = 200
    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 0.9
    seed: int = 0
    device: str = "auto"
    use_cache: bool = True


def read_request(data: bytes) -> GenerationRequest:
    """The request in `data`. Raises UserError when it is none."""
    known = {field.name for field in fields(GenerationRequest)}
    try:
        values = orjson.loads(data)
        return GenerationRequest(**{name: value for name, value in values.items() if name in known})
    except (orjson.JSONDecodeError, AttributeError, TypeError) as error:
        raise UserError(_("The request for a generation is not understood: {problem}").format(problem=error)) from None


def main() -> int:
    """Answer the request on standard input; returns the exit code."""
    let_waiting_threads_sleep()
    try:
        request = read_request(sys.stdin.buffer.read())
        _generate(request)
    except UserError as error:
        _say({"error": str(error)})
        return 2
    except BrokenPipeError:  # nobody listens any more
        return 0
    return 0


def _generate(request: GenerationRequest) -> None:
    import torch

    from engine.convert.fitting import infer_shape, load_weights
    from engine.convert.reading import read_weights
    from engine.data.tokenizer import Tokenizer
    from engine.model.generation import generate
    from engine.model.transformer import LanguageModel
    from engine.settings.shape import ModelShape
    from engine.train.hardware import choose_device, read_machine

    tokenizer = Tokenizer.load(Path(request.tokenizer))
    weights = read_weights(Path(request.weights))
    expected = weights.metadata.get("tokenizer_hash")
    if expected is not None and expected != tokenizer.sha256:
        raise UserError(
            _("{weights} was trained with another tokenizer than {tokenizer}: the text would be nonsense.").format(
                weights=request.weights, tokenizer=request.tokenizer
            )
        )
    shape = infer_shape(weights) if request.shape is None else ModelShape.from_dict(request.shape)
    if tokenizer.vocab_size > shape.vocab_size:
        raise UserError(
            _("{tokenizer} has {theirs} entries, the weights in {weights} {ours}: they do not belong together.").format(
                tokenizer=request.tokenizer, theirs=tokenizer.vocab_size, weights=request.weights, ours=shape.vocab_size
            )
        )
    device = choose_device(request.device, read_machine()).device.torch_device
    model = LanguageModel(shape)
    load_weights(model, weights)
    model.to(device).eval()
    if device.type == "cuda":
        model.to(torch.float16)
    decoder = tokenizer.stream_decoder()
    started = time.perf_counter()
    count = 0
    for token in generate(
        model,
        [tokenizer.bos_id, *tokenizer.encode(request.prompt)],
        max_tokens=request.max_tokens,
        eos_id=tokenizer.eos_id,
        temperature=request.temperature,
        top_k=request.top_k,
        top_p=request.top_p,
        seed=request.seed,
        use_cache=request.use_cache,
    ):
        count += 1
        if piece := decoder.push(token):
            _say({"text": piece})
    if rest := decoder.finish():
        _say({"text": rest})
    seconds = time.perf_counter() - started
    _say({"done": True, "tokens": count, "tokens_per_s": round(count / seconds, 1) if seconds else None})


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(answer, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
