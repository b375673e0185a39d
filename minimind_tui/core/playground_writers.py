"""The playground's processes, one a side: asking them, loading ahead, and what they said that nobody has taken yet."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from engine.errors import UserError
from minimind_tui.core.playground import Side, WritingOptions
from minimind_tui.core.playground_models import ModelChoice, find_again
from minimind_tui.generating import Failed, GenerationProcess, Heard, request_for

PLACES = 2


@dataclass(frozen=True)
class Computing:
    """Where a process computes: `auto` or `cpu`, and with how many threads; None: as many as it likes."""

    device: str = "auto"
    threads: int | None = None


class Writers:
    """A generating process for each place. `spoken` is called from a thread when `take` has something to give; not
    again until it was called. `words_of` puts an unexpected error into words.
    """

    def __init__(self, spoken: Callable[[], None], words_of: Callable[[Exception], str]) -> None:
        self._spoken, self._words_of = spoken, words_of
        self._heard: deque[tuple[int, Heard]] = deque()
        self._is_told = False
        self._processes = [GenerationProcess(partial(self._hear, place)) for place in range(PLACES)]

    def next_number(self, place: int) -> int:
        """A number for the next answer of a place."""
        return self._processes[place].next_number()

    def ask(
        self, place: int, side: Side, number: int, prompt: str, seed: int, options: WritingOptions, how: Computing
    ) -> None:
        """Find the side's weights and ask its process. Takes a moment: call it in a thread. What fails is `taken`."""
        try:
            self._ask(place, side, number, prompt, how, seed=seed, options=options)
        except UserError as error:
            self._hear(place, Failed(number, str(error)))
        except Exception as error:
            self._hear(place, Failed(number, self._words_of(error)))

    def load(self, place: int, side: Side, how: Computing) -> None:
        """Let the process load the side's model before it is asked for a text; in a thread. What fails will fail again
        when a text is asked for, and is told then.
        """
        number = self.next_number(place)
        try:
            self._ask(place, side, number, "", how, seed=0, options=WritingOptions(max_tokens=0))
        except (UserError, OSError):
            return

    def _ask(
        self, place: int, side: Side, number: int, prompt: str, how: Computing, *, seed: int, options: WritingOptions
    ) -> None:
        process = self._processes[place]
        choice = side.choice or ModelChoice()
        known = find_again(choice, side.known, in_memory=process.pid is not None)
        if side.choice == choice:  # another may have been chosen meanwhile
            side.known = known
        process.ask(
            number,
            request_for(
                known.source,
                prompt,
                seed=seed,
                temperature=options.temperature,
                top_k=options.top_k,
                top_p=options.top_p,
                max_tokens=options.max_tokens,
                num_attention_heads=choice.heads,
                device=how.device,
                threads=how.threads,
            ),
        )

    def take(self) -> Iterator[tuple[int, Heard]]:
        """What the processes have said since, each with its place."""
        self._is_told = False
        while self._heard:
            yield self._heard.popleft()

    @property
    def is_quiet(self) -> bool:
        """Whether all that was said was taken."""
        return not self._heard

    def cancel(self, place: int, number: int) -> None:
        """End an answer."""
        self._processes[place].cancel(number)

    def stop(self, place: int) -> None:
        """End a place's process, and free its memory, until it is asked again."""
        self._processes[place].stop()

    def close(self) -> None:
        """End all processes for good."""
        for process in self._processes:
            process.close()

    @property
    def pids(self) -> list[int]:
        """The processes that run."""
        return [process.pid for process in self._processes if process.pid is not None]

    def _hear(self, place: int, heard: Heard) -> None:
        self._heard.append((place, heard))
        if not self._is_told:
            self._is_told = True
            self._spoken()
