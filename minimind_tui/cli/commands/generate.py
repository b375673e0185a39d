"""`minimind generate`: let a run, or a file of weights, continue a text, as it is written."""

import secrets
import sys
from typing import TYPE_CHECKING, Annotated, Any

from engine.language import _
from minimind_tui.cli.completion import complete_run
from minimind_tui.cli.options import argument, option

if TYPE_CHECKING:
    from minimind_tui.weight_sources import Source


def generate(
    source: Annotated[
        str,
        argument(
            metavar="[RUN|FILE]",
            help=_("A run (its id, a part of it, `last`) or a file of weights, .safetensors or .pth. (default: last)"),
            autocompletion=complete_run,
        ),
    ] = "last",
    prompt: Annotated[
        str | None,
        option(
            "--prompt",
            metavar="TEXT",
            help=_("The beginning to continue. Without it, prompts are read from the terminal or the pipe."),
        ),
    ] = None,
    max_tokens: Annotated[
        int, option("--max_tokens", metavar="N", min=1, help=_("Most tokens to write. (default: 128)"))
    ] = 128,
    temperature: Annotated[
        float,
        option("--temperature", metavar="X", min=0, help=_("0 always takes the likeliest token. (default: 0.8)")),
    ] = 0.8,
    top_k: Annotated[
        int,
        option("--top_k", metavar="N", min=0, help=_("Only the N likeliest tokens; 0: all. (default: 0)")),
    ] = 0,
    top_p: Annotated[
        float,
        option(
            "--top_p",
            metavar="X",
            min=0,
            max=1,
            help=_("Only the likeliest that hold this share. (default: 0.9)"),
        ),
    ] = 0.9,
    seed: Annotated[
        int | None,
        option(
            "--seed", metavar="N", min=0, help=_("The same seed writes the same text. (default: another each time)")
        ),
    ] = None,
    checkpoint: Annotated[
        str | None,
        option(
            "--checkpoint",
            metavar="best|last|STEP",
            help=_("Which of the run's checkpoints, instead of its newest published weights."),
        ),
    ] = None,
    tokenizer: Annotated[
        str | None,
        option("--tokenizer", metavar="PATH", help=_("The weights' tokenizer.json, where it is not the run's own.")),
    ] = None,
    num_attention_heads: Annotated[
        int | None,
        option(
            "--num_attention_heads",
            metavar="N",
            min=1,
            help=_("The attention heads of a .pth, which does not tell them itself. (default: 8, as MiniMind's)"),
        ),
    ] = None,
    device: Annotated[
        str, option("--device", metavar="auto|cpu|cuda|mps", help=_("Where to compute. (default: auto)"))
    ] = "auto",
    no_cache: Annotated[
        bool, option("--no_cache", help=_("Compute without the key/value cache: slower, the same text."))
    ] = False,
    json: Annotated[bool, option("--json", help=_("One JSON object a line, as they come."))] = False,
) -> None:
    """Continue a text."""
    from engine.errors import UserError
    from minimind_tui.generating import request_for
    from minimind_tui.weight_sources import find_source

    if top_p <= 0:
        raise UserError(_("--top_p {top_p}: expected more than 0, at most 1.").format(top_p=top_p))
    found = find_source(source, checkpoint, tokenizer)
    how: dict[str, Any] = {
        "num_attention_heads": num_attention_heads,
        "max_tokens": max_tokens,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "seed": secrets.randbelow(2**31) if seed is None else seed,
        "device": device,
        "use_cache": not no_cache,
    }
    if prompt is None and sys.stdin.isatty():
        _converse(found, how)
        return
    text = sys.stdin.read().rstrip("\n") if prompt is None else prompt
    from minimind_tui.cli.generating import write_continuation

    write_continuation(request_for(found, text, **how), json_lines=json)


def _converse(source: "Source", how: dict[str, Any]) -> None:
    """Read prompts from the terminal until its end (Ctrl-D)."""
    from minimind_tui.cli.generating import write_continuation
    from minimind_tui.cli.terminal import say
    from minimind_tui.generating import request_for

    say(_("{weights}: type a beginning and Enter; Ctrl-D ends.").format(weights=source.weights.name))
    while True:
        try:
            prompt = input("> ")
        except EOFError:
            say("")
            return
        if prompt:
            write_continuation(request_for(source, prompt, **how), json_lines=False)
