"""A process that looks into training text and ends: numpy and the tokenizers' library stay out of the application.

It reads one JSON object with the settings that matter from stdin and writes one, a `DataLook`, to stdout.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from engine.errors import UserError
from engine.settings.material import find_data, find_tokenizer
from engine.settings.resolve import build_settings
from engine.settings.settings import Settings
from minimind_tui.core.wizard.data_look import DataLook

SECONDS = 3.0
"""How long it looks at the most, about; a text too large for that is sampled."""
_NICENESS = 5


def look_into(settings: Settings, seconds: float = SECONDS) -> DataLook:
    """Find, check and inspect the text that settings name. What is wrong is told in `problem`."""
    from engine.data.tokenizer import Tokenizer

    try:
        tokenizer = Tokenizer.load(find_tokenizer(settings.tokenizer))
    except UserError as error:
        return DataLook(problem=str(error), tokenizer_problem=True)
    try:
        found = find_data(settings.data_path)
        return _inspected(settings, found.path, found.note, tokenizer, seconds)
    except (UserError, OSError, ValueError) as error:
        return DataLook(problem=str(error), vocab_size=tokenizer.vocab_size)


def _inspected(settings: Settings, path: Path, note: str, tokenizer: Any, seconds: float) -> DataLook:
    from engine.data.inspect import inspect_file
    from engine.estimate.data_facts import data_facts, exact_data_facts
    from engine.estimate.size import parameters
    from engine.places import cache_dir
    from engine.settings.network import shape_from_settings
    from minimind_tui.core.wizard.data_words import described

    count = None
    with suppress(UserError):  # a shape that makes no network is told elsewhere
        count = parameters(shape_from_settings(settings, tokenizer.vocab_size))
    report = inspect_file(
        path,
        tokenizer,
        max_seq_len=settings.max_seq_len,
        text_field=settings.text_field,
        special_tokens=settings.special_tokens,
        overlong=settings.overlong,
        bad_lines_limit=settings.bad_lines_limit,
        parameters=count,
        time_budget_s=seconds,
    )
    facts = exact_data_facts(path, tokenizer, settings, cache_dir()) or data_facts(report, settings)
    return described(report, facts=facts, note=note, vocab_size=tokenizer.vocab_size)


def main() -> int:
    """Read a request, look, answer."""
    with suppress(OSError):
        os.nice(_NICENESS)  # whoever types comes first
    settings = build_settings(orjson.loads(sys.stdin.buffer.read()))
    sys.stdout.buffer.write(orjson.dumps(look_into(settings)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
