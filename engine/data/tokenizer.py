"""The tokenizer of a run: a tokenizer.json, its identity, its control tokens, and text in both directions."""

import codecs
import hashlib
import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import orjson

from engine.small_file import read_small

# One call works on one thread: whoever wants several cores calls from several threads, which measures faster than the
# library's own pool and leaves the process safe to fork. Set before the library is first used; a user's value stays.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import tokenizers

from engine.errors import UserError
from engine.language import _

ControlText = Literal["control", "text"]
"""What a control token's string inside a text becomes: the token itself, or ordinary text."""

_MOST_BYTES = 256 << 20
"""A tokenizer.json of a quarter of a million entries has about 30 MB."""

_CANDIDATES: dict[str, tuple[str, ...]] = {
    "bos": (
        "<|im_start|>",
        "<s>",
        "<bos>",
        "<|begin_of_text|>",
        "<|bos|>",
        "[BOS]",
        "<|startoftext|>",
        "<|endoftext|>",
    ),
    "eos": ("<|im_end|>", "</s>", "<eos>", "<|end_of_text|>", "<|eos|>", "[EOS]", "<|endoftext|>"),
    "pad": ("<|endoftext|>", "<pad>", "<|pad|>", "[PAD]", "<unk>"),
}


class Tokenizer:
    """A tokenizer.json as training and sampling use it.

    Truncation and padding written in the file are switched off and its post-processor never adds tokens: what surrounds
    a document is decided by the rows, in one place. `sha256` identifies what the tokenizer does, not how its file is
    laid out. Calls are thread-safe and release the interpreter while the library works.
    """

    def __init__(self, path: Path, content: bytes, declared: dict[str, str] | None = None) -> None:
        self.path = path
        try:
            spec = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise UserError(
                _("{path} is not a tokenizer.json: not JSON ({reason}, line {line}).{hint}").format(
                    path=path, reason=error.msg, line=error.lineno, hint=_pointer_hint(content)
                )
            ) from None
        model = spec.get("model") if isinstance(spec, dict) else None
        if not isinstance(model, dict) or not model.get("vocab"):
            raise UserError(
                _(
                    "{path} is not a tokenizer.json of the tokenizers library: it has no model with a vocabulary."
                    " A tokenizer_config.json or vocab.json is not enough; name the tokenizer.json beside it."
                ).format(path=path)
            )
        self._spec: dict[str, Any] = spec
        self._declared = declared or {}
        self._control = self._build(content)
        vocabulary = self._control.get_vocab(with_added_tokens=True)
        self.vocab_size = max(vocabulary.values()) + 1
        self.control_ids: tuple[int, ...] = self._find_control_ids()

    def _build(self, content: bytes) -> tokenizers.Tokenizer:
        try:
            library = tokenizers.Tokenizer.from_str(content.decode("utf-8"))
        except Exception as error:  # the library raises bare Exception for every defect
            raise UserError(
                _("{path} is a broken tokenizer.json: {reason}.").format(path=self.path, reason=str(error).rstrip("."))
            ) from None
        library.no_truncation()
        library.no_padding()
        return library

    @classmethod
    def load(cls, path: Path) -> "Tokenizer":
        """Load a tokenizer.json, or a folder holding one; a tokenizer_config.json beside it names bos, eos and pad.

        Raises UserError when there is none or it is broken.
        """
        file = path / "tokenizer.json" if path.is_dir() else path
        try:
            content = read_small(file, _MOST_BYTES)
        except FileNotFoundError:
            raise UserError(
                _("There is no tokenizer {path}: name a tokenizer.json or a folder that holds one.").format(path=file)
            ) from None
        except OSError as error:
            raise UserError(
                _("The tokenizer {path} cannot be read: {reason}.").format(path=file, reason=error.strerror or error)
            ) from None
        return cls(file, content, _declared_specials(file.parent))

    @cached_property
    def sha256(self) -> str:
        """Hex SHA-256 of all that decides ids and text, the same for any formatting, key order or library version."""
        spec = {key: self._spec.get(key) for key in ("normalizer", "pre_tokenizer", "decoder")}
        model = dict(self._spec["model"])
        merges = model.get("merges")
        if merges:  # older files write "a b", newer ones ["a", "b"]
            model["merges"] = [merge.split(" ") if isinstance(merge, str) else merge for merge in merges]
        spec["model"] = model
        spec["added_tokens"] = sorted(self._spec.get("added_tokens") or (), key=lambda token: int(token["id"]))
        canonical = orjson.dumps(_without_defaults(spec), option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(canonical).hexdigest()

    @property
    def bos_id(self) -> int:
        """Id put before a document (MiniMind: 1, `<|im_start|>`). Raises UserError where the tokenizer has none."""
        return self._required("bos")

    @property
    def eos_id(self) -> int:
        """Id put after a document (MiniMind: 2, `<|im_end|>`). Raises UserError where the tokenizer has none."""
        return self._required("eos")

    @property
    def pad_id(self) -> int:
        """Id that fills up rows (MiniMind: 0, `<|endoftext|>`). It carries no loss, so eos or 0 serve without one."""
        found = self._find("pad")
        if found is None:
            found = self._find("eos")
        return 0 if found is None else found

    def _find(self, role: str) -> int | None:
        declared = self._declared.get(role)
        for candidate in ((declared,) if declared else ()) + _CANDIDATES[role]:
            found = self._control.token_to_id(candidate)
            if found is not None:
                return int(found)
        return None

    def _required(self, role: str) -> int:
        found = self._find(role)
        if found is None:
            raise UserError(
                _(
                    "The tokenizer {path} has no {role} token: none of {candidates} is in it and no"
                    ' tokenizer_config.json beside it names one ("{role}_token").'
                    " Name it there, or train with --special_tokens none."
                ).format(path=self.path, role=role, candidates=", ".join(_CANDIDATES[role]))
            )
        return found

    @property
    def control_tokens(self) -> tuple[str, ...]:
        """The strings of the control tokens, in the order of control_ids."""
        return tuple(str(self._control.id_to_token(token_id)) for token_id in self.control_ids)

    def _find_control_ids(self) -> tuple[int, ...]:
        """Ids of special tokens, which a plain text cannot produce. `unk` is not one: it stands for unknown text."""
        unknown = self._spec["model"].get("unk_token")
        added = self._control.get_added_tokens_decoder()
        return tuple(sorted(i for i, token in added.items() if token.special and token.content != unknown))

    def encode(self, text: str, *, control_text: ControlText = "control") -> list[int]:
        """Ids of `text`, nothing added around it.

        With control_text = "control" a string such as `<|im_end|>` inside the text becomes that control token, as in
        MiniMind's data, which writes dialogues that way; "text" reads it as the characters it is made of.
        """
        return self._library(control_text).encode(text, add_special_tokens=False).ids

    def encode_batch(self, texts: Sequence[str], *, control_text: ControlText = "control") -> list[list[int]]:
        """`encode` of each text, on the calling thread."""
        encodings = self._library(control_text).encode_batch_fast(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def encode_flat(
        self, texts: Sequence[str], *, control_text: ControlText = "control"
    ) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
        """The ids of all texts in one array (tokens,), and the number of tokens of each text (texts,)."""
        ids = self.encode_batch(texts, control_text=control_text)
        lengths = np.fromiter(map(len, ids), dtype=np.int64, count=len(ids))
        return np.fromiter(chain.from_iterable(ids), dtype=np.uint32, count=int(lengths.sum())), lengths

    @cached_property
    def _text(self) -> tokenizers.Tokenizer:
        library = self._build(orjson.dumps(self._spec))
        library.encode_special_tokens = True
        return library

    def _library(self, control_text: ControlText) -> tokenizers.Tokenizer:
        return self._control if control_text == "control" else self._text

    def decode(self, ids: Iterable[int], *, skip_special: bool = False) -> str:
        """The text of `ids`; bytes that are not UTF-8 become U+FFFD. Ids outside the vocabulary give nothing."""
        return self._control.decode(list(ids), skip_special_tokens=skip_special)

    def token_to_id(self, token: str) -> int | None:
        """The id of a token by its name in the vocabulary, or None."""
        found = self._control.token_to_id(token)
        return None if found is None else int(found)

    def stream_decoder(self, *, skip_special: bool = False) -> "StreamDecoder":
        """A decoder for ids that arrive one by one."""
        return StreamDecoder(self, skip_special=skip_special)

    @cached_property
    def _byte_of_character(self) -> dict[str, int] | None:
        """The byte each character of a vocabulary entry stands for, when the decoder is the byte-level one alone."""
        decoder = self._spec.get("decoder")
        if not isinstance(decoder, dict) or decoder.get("type") != "ByteLevel":
            return None
        return _byte_alphabet()

    def token_bytes(self, token_id: int) -> bytes | None:
        """The bytes of one token under a byte-level tokenizer (b"" for an unknown id), or None for another kind."""
        alphabet = self._byte_of_character
        if alphabet is None:
            return None
        token = self._control.id_to_token(token_id) or ""
        if all(character in alphabet for character in token):
            return bytes(alphabet[character] for character in token)
        return token.encode("utf-8")


class StreamDecoder:
    """Turns ids that arrive one by one into text, never showing half of a character.

    The pieces returned by `push` and the last by `finish` join to what `Tokenizer.decode` gives for all ids at once. A
    byte-level tokenizer waits for at most 3 bytes of an open character, so a model that writes invalid bytes does not
    stall it; with other tokenizers text is held back while it ends in an unfinished character, for at most 8 tokens.
    """

    _MOST_HELD = 8

    def __init__(self, tokenizer: Tokenizer, *, skip_special: bool) -> None:
        self._tokenizer = tokenizer
        self._skipped = frozenset(tokenizer.control_ids) if skip_special else frozenset()
        self._skip_special = skip_special
        self._bytes = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._ids: list[int] = []
        self._shown = 0

    def push(self, token_id: int) -> str:
        """The text that `token_id` completes, often "" in the middle of a character."""
        if token_id in self._skipped:
            return ""
        raw = self._tokenizer.token_bytes(token_id)
        if raw is not None:
            return self._bytes.decode(raw)
        self._ids.append(token_id)
        return self._emit(final=False)

    def finish(self) -> str:
        """What is still held back when no more ids come."""
        return self._bytes.decode(b"", final=True) + (self._emit(final=True) if self._ids else "")

    def _emit(self, *, final: bool) -> str:
        # The ids before `_shown` are context: many decoders treat the first token of a sequence differently.
        shown = self._tokenizer.decode(self._ids[: self._shown], skip_special=self._skip_special)
        text = self._tokenizer.decode(self._ids, skip_special=self._skip_special)
        held = len(self._ids) - self._shown
        if not final and text.endswith("\ufffd") and held < self._MOST_HELD:
            return ""
        if len(self._ids) > 2 * self._MOST_HELD:
            self._ids = self._ids[-self._MOST_HELD :]
        self._shown = len(self._ids)
        return text[len(shown) :]


def _byte_alphabet() -> dict[str, int]:
    """The byte-level alphabet: printable Latin-1 stands for itself, the other bytes for the code points from 256 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in set(printable)]
    return {chr(byte): byte for byte in printable} | {chr(256 + index): byte for index, byte in enumerate(rest)}


def _without_defaults(value: Any) -> Any:
    """`value` without entries that are null, false or empty, so that a field a newer library writes changes no hash."""
    if isinstance(value, dict):
        cleaned = {str(key): _without_defaults(item) for key, item in value.items()}
        return {key: item for key, item in cleaned.items() if not _is_default(item)}
    if isinstance(value, list):
        return [_without_defaults(item) for item in value]
    return value


def _is_default(value: Any) -> bool:
    return value is None or value is False or value == {} or value == []


def _declared_specials(folder: Path) -> dict[str, str]:
    """The names of bos, eos and pad in the files that Hugging Face writes beside a tokenizer.json."""
    declared: dict[str, str] = {}
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        try:
            config = orjson.loads(read_small(folder / name))
        except (OSError, orjson.JSONDecodeError):
            continue
        if not isinstance(config, dict):
            continue
        for role in _CANDIDATES:
            token = config.get(f"{role}_token")
            token = token.get("content") if isinstance(token, dict) else token
            if isinstance(token, str) and token:
                declared.setdefault(role, token)
    return declared


def _pointer_hint(content: bytes) -> str:
    if content.startswith(b"version https://git-lfs"):
        return _(" It is a Git LFS pointer: fetch the file itself with `git lfs pull`.")
    return ""
