"""The generating process as the application holds it: answers from a thread, cancelling, its death, and its end."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from app_processes import is_gone

from minimind_tui import generating
from minimind_tui.generating import Begun, Died, Done, Failed, GenerationProcess, Heard, Piece, request_for
from minimind_tui.weight_sources import Source

HERE = Path(__file__).parent
SOURCE = Source(Path("w.safetensors"), Path("tokenizer.json"))


class Listener:
    """What a process said."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []

    def wait(self, holds: Callable[[list[Heard]], object], seconds: float = 10.0) -> None:
        end = time.monotonic() + seconds
        while not holds(self.heard):
            assert time.monotonic() < end, self.heard[-5:]
            time.sleep(0.01)

    def ended(self, number: int) -> bool:
        return any(isinstance(heard, Done | Failed) and heard.number == number for heard in self.heard)


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def process(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> Iterator[GenerationProcess]:
    monkeypatch.setattr(generating, "WORKER", "fake_writer")
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    process = GenerationProcess(listener.heard.append)
    yield process
    process.close()
    assert process.pid is None


def ask(process: GenerationProcess, prompt: str) -> int:
    number = process.next_number()
    process.ask(number, request(prompt))
    return number


def request(prompt: str) -> dict[str, Any]:
    return request_for(SOURCE, prompt, device="cpu", num_attention_heads=None)


def test_answers_are_tagged_and_the_process_stays(process: GenerationProcess, listener: Listener) -> None:
    assert process.pid is None, "nothing is started before it is needed"
    first = ask(process, "x")
    listener.wait(lambda heard: listener.ended(first))
    pid = process.pid
    second = ask(process, "y")
    listener.wait(lambda heard: listener.ended(second))
    assert process.pid == pid is not None and first != second
    assert listener.heard[0] == Begun(first, "cpu", 20, None, True)
    assert [heard.text for heard in listener.heard if isinstance(heard, Piece) and heard.number == second] == [
        " once",
        " upon",
        " a time",
    ]
    assert listener.heard[-1] == Done(second, 3, 42.0, -1.0, "eos")


def test_a_refusal_leaves_it_usable(process: GenerationProcess, listener: Listener) -> None:
    first, second = ask(process, "error"), ask(process, "x")
    listener.wait(lambda heard: listener.ended(second))
    assert listener.heard[0] == Failed(first, "the tokenizer is another one [/red]")


def test_an_answer_is_cancelled_while_it_is_written_and_before(process: GenerationProcess, listener: Listener) -> None:
    long = ask(process, "long")
    listener.wait(lambda heard: sum(isinstance(one, Piece) for one in heard) > 2)
    waiting = ask(process, "x")
    never = process.next_number()
    for number in (long, never):
        process.cancel(number)
    process.ask(never, request("x"))
    listener.wait(lambda heard: listener.ended(waiting))
    ends = [heard for heard in listener.heard if isinstance(heard, Done)]
    assert [(end.number, end.ended) for end in ends] == [(long, "cancelled"), (waiting, "eos")]
    time.sleep(0.1)
    assert not listener.ended(never)


@pytest.mark.parametrize("killed", [True, False])
def test_its_death_is_told_with_what_it_owed_and_another_takes_over(
    killed: bool, process: GenerationProcess, listener: Listener
) -> None:
    number = ask(process, "long" if killed else "die")
    if killed:
        listener.wait(lambda heard: any(isinstance(one, Piece) for one in heard))
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
    listener.wait(lambda heard: any(isinstance(one, Died) for one in heard))
    died = listener.heard[-1]
    assert isinstance(died, Died) and died.numbers == {number}
    assert ("memory ran out" if killed else "code 9: no such device") in died.message
    again = ask(process, "x")
    listener.wait(lambda heard: listener.ended(again))


def test_closing_ends_it_at_once_and_for_good(process: GenerationProcess, listener: Listener) -> None:
    ask(process, "long")
    listener.wait(lambda heard: any(isinstance(one, Piece) for one in heard))
    pid = process.pid
    assert pid is not None
    process.close()
    assert is_gone(pid), "an orphan"
    said = len(listener.heard)
    process.ask(process.next_number(), request("x"))
    time.sleep(0.1)
    assert process.pid is None and len(listener.heard) == said, "it was told of its end"


def test_stopping_frees_its_memory_until_it_is_needed(process: GenerationProcess, listener: Listener) -> None:
    first = ask(process, "x")
    listener.wait(lambda heard: listener.ended(first))
    pid = process.pid
    assert pid is not None
    process.stop()
    assert is_gone(pid) and process.pid is None
    second = ask(process, "x")
    listener.wait(lambda heard: listener.ended(second))
    assert not any(isinstance(heard, Died) for heard in listener.heard)


def test_a_process_that_cannot_be_started_raises(process: GenerationProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generating, "python_module", lambda _name: ["/nowhere/python"])
    with pytest.raises(OSError, match="nowhere"):
        ask(process, "x")
    assert process.pid is None


def test_a_long_prompt_does_not_hold_up_who_asks(process: GenerationProcess, listener: Listener) -> None:
    first = ask(process, "x")
    listener.wait(lambda heard: listener.ended(first))
    pid = process.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)  # it reads nothing now: who wrote to it would wait
    wake = threading.Timer(20, os.kill, (pid, signal.SIGCONT))
    wake.start()
    number = ask(process, "wide \ud800 " * 300_000)
    assert wake.is_alive(), "who asked waited until it read on"
    wake.cancel()
    os.kill(pid, signal.SIGCONT)
    listener.wait(lambda heard: listener.ended(number))


def test_half_a_character_is_no_text() -> None:
    assert request_for(SOURCE, "a\ud800b")["prompt"] == "a?b"
