"""Stands in for the generating process in its long-lived manner, without torch.

What it does follows from the prompt: `long` writes until it is cancelled, `die` ends by itself, `error` refuses,
`hostile` writes what could harm a terminal, `end` ends at once; anything else is answered with three pieces. Every
request is kept in the file that FAKE_WRITER_LOG names, the weights are `step` FAKE_WRITER_STEP.
"""

import json
import os
import queue
import sys
import threading
import time
from pathlib import Path

cancelled = set()
requests = queue.SimpleQueue()


def read():
    for line in sys.stdin:
        message = json.loads(line)
        if "cancel" in message:
            cancelled.add(message["cancel"])
        else:
            requests.put(message)
    os._exit(0)


def say(number, **message):
    print(json.dumps({"id": number, **message}), flush=True)


def answer(request):
    number, prompt = request["id"], request["prompt"]
    if prompt == "error":
        say(number, error="the tokenizer is another one [/red]")
        return
    device = "cpu" if request["device"] == "cpu" else os.environ.get("FAKE_WRITER_DEVICE", "cpu")
    heads = 8 if request["weights"].endswith(".pth") and request["num_attention_heads"] is None else None
    gone = not Path(request["weights"]).exists()
    step = int(os.environ.get("FAKE_WRITER_STEP", "20"))
    say(number, begun=True, device=device, step=step, heads_assumed=heads, file_is_gone=gone)
    if prompt == "die":
        print("no such device", file=sys.stderr, flush=True)
        os._exit(9)
    pieces = [" once", " upon", " a time"]
    if prompt == "hostile":
        pieces = [" \x1b[31mred\x07", " [bold]b[/bold] [/] ", "从前\u202e\n"]
    if prompt == "long":
        pieces = (f" word{n}" for n in range(1_000_000))
    if prompt == "end":
        pieces = []
    count = 0
    for piece in pieces:
        if number in cancelled:
            break
        count += 1
        say(number, text=piece, tokens=count)
        if prompt == "long":
            time.sleep(0.005)
    ended = "cancelled" if number in cancelled else "length" if prompt == "limit" else "eos"
    say(number, done=True, tokens=count, tokens_per_s=42.0, log_probability=-1.0 if count else None, ended=ended)


threading.Thread(target=read, daemon=True).start()
print("a line some library prints", flush=True)
while True:
    asked = requests.get()
    if "FAKE_WRITER_LOG" in os.environ:
        with Path(os.environ["FAKE_WRITER_LOG"]).open("a", encoding="utf-8") as log:
            log.write(json.dumps(asked) + "\n")
    answer(asked)
