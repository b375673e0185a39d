"""Reports of run folders: complete, self-contained, and unharmed by anything a run may hold."""

import base64
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import orjson
import pytest
from run_folders import write_run

from engine.errors import UserError
from engine.language import set_language
from engine.run.annotations import rename_run, write_note
from engine.run.folder import RunFolder
from engine.run.jsonl_log import LineWriter
from engine.run.schema import Event, EventKind, Lineage, State, TrainLine
from minimind_tui.report import write_report

HOSTILE = (
    "</pre><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m\u202e|`````|[x](javascript:y)\n# Made up\n- no"
)


class Page(HTMLParser):
    """The elements and the text of a page."""

    VOID = frozenset({"meta"})

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return "\n".join(self.words)


def add_events(run: RunFolder, *events: dict[str, object]) -> None:
    writer = LineWriter(run.events)
    for event in events:
        kind, step = str(event.pop("kind")), int(str(event.pop("step")))
        writer.append(Event(kind=kind, attempt=1, step=step).model_dump() | event)
    writer.close()


@pytest.fixture
def run(workspace: Path) -> RunFolder:
    run = write_run(workspace, steps=60)
    add_events(
        run,
        {"kind": EventKind.SAMPLE, "step": 10, "prompt": "Once", "text": " upon a time"},
        {"kind": EventKind.SAMPLE, "step": 60, "prompt": "从前", "text": "，有一个孩子"},
        {"kind": EventKind.WARNING, "step": 30, "message": "The disk was full for a while."},
    )
    run.run_toml.write_text(run.run_toml.read_text().replace("learning_rate = 0.004", "learning_rate = 0.002"))
    return run


def test_a_page_says_what_there_is_to_say(run: RunFolder) -> None:
    rename_run(run, "First try")
    write_note(run, "Look at the end.\nThen stop.")
    run.change_manifest(
        lambda manifest: setattr(
            manifest, "lineage", Lineage(kind="fork", run="parent", step=7, settings={"learning_rate": [0.004, 0.002]})
        )
    )
    path = write_report(run)
    assert path == run.path / "report.html"
    page = Page(path.read_text(encoding="utf-8"))
    assert page.open == []
    for expected in (
        "First try",
        run.id,
        "Look at the end.\nThen stop.",
        "60 / 60",
        "6,000",
        "best validation loss",
        "1,000,000",
        "learning_rate",
        "0.002",
        "0.004",
        "It is a fork of parent at step 7. Changed: learning_rate: 0.004 -> 0.002.",
        " upon a time",
        "，有一个孩子",
        "step 30 warning: The disk was full for a while.",
        "2026-11-24 03:15:00",
    ):
        assert expected in " ".join(page.text.split(" ")).replace("  ", " "), expected
    titles = [words for words in page.words if words in ("Loss", "Learning rate", "Gradient norm", "Speed")]
    assert set(titles) == {"Loss", "Learning rate", "Gradient norm", "Speed"}
    assert sum(tag == "svg" for tag, _attributes in page.tags) == 4


def test_what_differs_from_the_preset_comes_first_and_the_rest_is_folded(run: RunFolder) -> None:
    text = write_report(run).read_text(encoding="utf-8")
    shown, folded = text.split("<details>")
    assert "<td>learning_rate</td><td>0.002</td><td>0.004</td>" in shown
    assert "<td>num_hidden_layers</td>" in folded and "<td>num_hidden_layers</td>" not in shown


def test_the_numbers_are_the_runs_own(run: RunFolder) -> None:
    page = Page(write_report(run).read_text(encoding="utf-8"))
    facts = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", (run.path / "report.html").read_text(encoding="utf-8")))
    assert facts["loss"] == "6.929 → 2.016"  # the means of the first and the last three of sixty
    assert facts["best validation loss"] == "2.115 at step 60"
    assert facts["training time"] == "30s" and facts["state"] == "finished"
    assert "report.html" not in page.text


def test_a_page_needs_nothing_beside_it_and_runs_nothing(run: RunFolder) -> None:
    rename_run(run, HOSTILE[:70])
    write_note(run, HOSTILE)
    add_events(
        run,
        {"kind": EventKind.SAMPLE, "step": 60, "prompt": HOSTILE, "text": HOSTILE},
        {"kind": EventKind.WARNING, "step": 60, "message": HOSTILE},
    )
    run.change_manifest(lambda manifest: (setattr(manifest, "host", HOSTILE), setattr(manifest, "data_path", HOSTILE)))
    run.run_toml.write_text(run.run_toml.read_text().replace('text_field = "text"', f"text_field = {HOSTILE!r}"))
    text = write_report(run).read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    tags = {tag for tag, _attributes in page.tags}
    assert not tags & {"script", "img", "link", "iframe", "object", "a", "form", "image", "foreignobject", "use"}
    for _tag, attributes in page.tags:
        assert not {name for name in attributes if name.startswith("on") or name in ("src", "href", "xlink:href")}
    assert "alert(1)" in page.text  # told, not run
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", text)
    assert "\x1b" not in text and "\u202e" not in text
    policies = [attributes.get("content") for _tag, attributes in page.tags if "http-equiv" in attributes]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_markdown_says_the_same_and_takes_everything_literally(run: RunFolder) -> None:
    rename_run(run, "# not | a *heading*")
    add_events(run, {"kind": EventKind.SAMPLE, "step": 60, "prompt": HOSTILE, "text": "done"})
    add_events(run, {"kind": EventKind.WARNING, "step": 60, "message": HOSTILE})
    path = write_report(run, kind="md")
    assert path == run.path / "report.md"
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# \\# not \\| a \\*heading\\*\n")
    assert "| learning_rate | 0.002 | 0.004 |" in text
    assert "| loss | 6.929 → 2.016 |" in text
    outside = re.sub(r"^(`{3,})text\n.*?\n\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert "Made up" not in re.findall(r"^#+ (.*)$", outside, re.MULTILINE)
    assert "<script" not in outside and "<img" not in outside and "alert(1)" in outside
    fences = re.findall(r"^`+", text, re.MULTILINE)
    assert max(map(len, fences)) == 6  # one more than the longest in the text
    pictures = re.findall(r"^!\[.*\]\(data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)\)$", text, re.MULTILINE)
    assert len(pictures) == 4
    assert all(ElementTree.fromstring(base64.b64decode(picture)).tag.endswith("svg") for picture in pictures)
    assert "first " in text and "greatest " in text


@pytest.mark.parametrize(
    ("place", "kind", "expected"),
    [
        ("there/x.md", None, "there/x.md"),
        ("there/x.html", None, "there/x.html"),
        ("there/x.txt", "md", "there/x.txt"),
        (".", "md", "{run}.md"),
        (".", None, "{run}.html"),
    ],
)
def test_places_and_kinds(run: RunFolder, workspace: Path, place: str, kind: object, expected: str) -> None:
    path = write_report(run, workspace / place, kind)  # type: ignore[arg-type]
    assert path == (workspace / expected.format(run=run.id)).absolute() and path.is_absolute()
    assert path.read_text(encoding="utf-8").startswith(
        "# " if kind == "md" or place.endswith("md") else "<!doctype html>"
    )
    assert not [one for one in path.parent.iterdir() if one.name.startswith(".")]


def test_what_cannot_be_written_is_said_and_the_old_report_stays(run: RunFolder, workspace: Path) -> None:
    (workspace / "file").write_text("mine")
    with pytest.raises(UserError, match=r"file/report\.html"):
        write_report(run, workspace / "file" / "report.html")
    assert (workspace / "file").read_text() == "mine"


@pytest.mark.parametrize("gone", ["run.toml", "status.json", "metrics.jsonl", "events.jsonl", "checkpoints"])
def test_a_run_that_lacks_a_part_still_has_a_report(run: RunFolder, gone: str) -> None:
    path = run.path / gone
    if path.is_dir():
        path.rename(path.with_name("away"))
    else:
        path.unlink()
    for kind in ("html", "md"):
        assert run.id in write_report(run, kind=kind).read_text(encoding="utf-8")  # type: ignore[arg-type]


def test_garbage_in_the_logs_is_passed_over(run: RunFolder) -> None:
    with run.events.open("ab") as file:
        file.write(b'\xff\xfe\n{"kind":"sample","step":"x","attempt":1,"text":7}\n{"kind":[1]}\n{"kind":"warn')
    with run.metrics.open("ab") as file:
        file.write(b'{"kind":"train","attempt":1,"step":61,"loss":null,"lr":1e999,"grad_norm":"x"}\n')
    assert "finished" in write_report(run).read_text(encoding="utf-8")


def test_a_folder_that_is_no_run_is_refused(workspace: Path) -> None:
    with pytest.raises(UserError, match=r"manifest\.json"):
        write_report(RunFolder(workspace))
    assert not list(workspace.iterdir())


def test_a_run_in_training_has_a_report_of_this_moment(workspace: Path) -> None:
    run = write_run(workspace, steps=20, total_steps=200, state=State.RUNNING)
    text = write_report(run).read_text(encoding="utf-8")
    assert "20 / 200" in text


def test_samples_are_thinned_from_the_first_to_the_last(run: RunFolder) -> None:
    add_events(run, *({"kind": EventKind.SAMPLE, "step": 60, "prompt": "", "text": f"number {n}."} for n in range(200)))
    text = write_report(run).read_text(encoding="utf-8")
    assert text.count("<pre>") == 24
    assert " upon a time" in text and "number 199." in text


def test_it_speaks_chinese(run: RunFolder) -> None:
    set_language("zh")
    try:
        text = write_report(run).read_text(encoding="utf-8")
    finally:
        set_language("en")
    assert '<html lang="zh">' in text
    headings = re.findall(r"<h2>(.*?)</h2>", text)
    assert headings and all(re.search("[\u4e00-\u9fff]", heading) for heading in headings)


def test_a_long_run_is_quickly_told(run: RunFolder) -> None:
    import time

    with run.metrics.open("wb") as file:
        for step in range(1, 50_001):
            line = {
                "kind": "train",
                "attempt": 1,
                "step": step,
                "loss": 5 - step / 20_000,
                "lr": 1e-3,
                "grad_norm": 1.0,
            }
            file.write(orjson.dumps(line) + b"\n")
    before = time.process_time()
    size = len(write_report(run).read_bytes())
    assert time.process_time() - before < 3 and size < 500_000


def add_intervals(run: RunFolder, **lists: object) -> None:
    writer = LineWriter(run.metrics)
    for step in range(61, 81):
        shared = {"attempt": 1, "step": step, "epoch": 1, "tokens": step * 100, "elapsed": step * 0.5}
        line = TrainLine(**shared, loss=2.0, lr=1e-3).model_dump(exclude_unset=True)
        writer.append({"v": 1, "t": "", "kind": "train"} | line | lists)
    writer.close()


def test_experts_and_ranks_have_their_sections_where_there_are_any(run: RunFolder) -> None:
    load = [[0.25, 0.25, 0.25, 0.25], [0.5, 0.4, 0.099, 0.001]]
    add_intervals(run, aux_loss=0.08, expert_load=load, rank_seconds=[0.5, 0.8], rank_data_wait=[0.0, 0.3])
    text = write_report(run).read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == [] and {"Experts", "Ranks", "Auxiliary loss"} <= set(page.words)
    assert "<p class=loud>Starving: layer 1 expert 3 (0.10%, fair: 25%).</p>" in text
    assert "<td>1</td><td>█▆▂×</td><td>0.68</td><td>0 (50.0%)</td><td>3 (0.1%)</td><td>3</td>" in text
    assert "<td>0</td><td>▄▄▄▄</td><td>1.00</td>" in text and "dropped tokens: 0" in page.text
    assert "Rank 1 holds the others up: 800 ms an update" in page.text
    assert "<td>1</td><td>800 ms</td><td>30%</td><td>slowest</td>" in text
    markdown = write_report(run, kind="md").read_text(encoding="utf-8")
    assert "## Experts" in markdown and "**!** Starving" in markdown and "| 1 | 800 ms | 30% | slowest |" in markdown


def test_a_dense_run_of_one_process_says_nothing_of_either(run: RunFolder) -> None:
    page = Page(write_report(run).read_text(encoding="utf-8"))
    assert not {"Experts", "Ranks", "Auxiliary loss"} & set(page.words)


def test_lists_that_make_no_sense_are_left_out(run: RunFolder) -> None:
    add_intervals(run, aux_loss="<b>", expert_load=[["<script>", 1.0]], rank_seconds="[x](y)")
    page = Page(write_report(run).read_text(encoding="utf-8"))
    assert page.open == [] and not {"Experts", "Ranks"} & set(page.words)
