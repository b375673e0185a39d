"""Stands in for the process that writes text: it echoes its request, hostile text included."""

import json
import sys
import time

request = json.load(sys.stdin)
print("a line some library prints", flush=True)
if request["prompt"] == "die":
    print("no such device", file=sys.stderr)
    sys.exit(9)
if request["prompt"] == "refuse":
    print(json.dumps({"error": "the tokenizer is another one"}), flush=True)
    sys.exit(2)
if request["prompt"] == "wait":
    print(json.dumps({"text": " and wait"}), flush=True)
    time.sleep(60)
for piece in (" once", " \x1b[31mupon\x07", " 从前\n", json.dumps(request, sort_keys=True)):
    print(json.dumps({"text": piece}), flush=True)
print(json.dumps({"done": True, "tokens": 4, "tokens_per_s": 12.3}), flush=True)
