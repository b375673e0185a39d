"""Writes docs/SETTINGS.md and docs/SETTINGS.zh.md from the one declaration of the settings.

python docs/make_settings.py            write both
python docs/make_settings.py --check    exit 1 when they are not current
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.settings.declaration import GROUPS, Declaration, Group, OnResume, declarations
from engine.settings.settings import Settings

DOCS = Path(__file__).resolve().parent
FILES = {"en": DOCS / "SETTINGS.md", "zh": DOCS / "SETTINGS.zh.md"}


@dataclass(frozen=True)
class Words:
    """What the page says in one language beside the settings' own help."""

    introduction: str
    groups: Mapping[Group, str]
    columns: tuple[str, ...]
    on_resume: Mapping[OnResume, tuple[str, str]]
    """The word in the table, and what it means."""
    units: Mapping[str, str]
    types: Mapping[str, str]
    """By JSON schema's names."""
    between: str
    at_least: str
    at_most: str
    above: str
    below: str
    either: str
    comma: str
    colon: str
    not_empty: str


ENGLISH = Words(
    introduction="""\
# Settings

Every setting of a run, from its one declaration in `engine/settings/settings.py` (this page is written by
`python docs/make_settings.py`; 中文见 [SETTINGS.zh.md](SETTINGS.zh.md)).

A setting can be given on the command line (`minimind run --batch_size 16`; hyphens and underscores are the same), in a
preset (`presets/*.toml`) or in the `run.toml` of an earlier run, under the table of its group:

```toml
[training]
batch_size = 16
```

Flags win over files, files over presets, presets over these defaults. `minimind presets show NAME` prints a preset
with every setting resolved. The settings in **bold** are the ones most people change.

The last column says what a changed value does to a run that is resumed:
""",
    groups={
        "model": "Model",
        "data": "Data",
        "training": "Training",
        "schedule": "Schedule",
        "device": "Device",
        "checkpoints": "Checkpoints",
        "watch": "Watching",
        "trackers": "Trackers",
    },
    columns=("Setting", "Flag", "Values", "Default", "Unit", "Meaning", "On resume"),
    on_resume={
        "free": ("free", "taken as it is; the run goes on bit for bit."),
        "inexact": (
            "inexact",
            "taken; the run goes on, but not bit for bit, and says so. `batch_size` x `accumulation_steps` must stay.",
        ),
        "fork": (
            "kept",
            "refused: it would be another experiment. Start a new run, with `--from_weight` to begin from the weights.",
        ),
        "new": ("kept (shape)", "refused: the run's weights are made for the value it has."),
    },
    units={
        name: name for name in ("tokens", "rows", "updates", "threads", "processes", "machines", "seconds", "minutes")
    },
    types={
        "integer": "whole number",
        "number": "number",
        "string": "text",
        "boolean": "`true`, `false`",
        "array": "list of texts",
    },
    between="{low} to {high}",
    at_least="{low} or more",
    at_most="{high} or less",
    above="above {low}",
    below="below {high}",
    either=" or ",
    comma=", ",
    colon=": ",
    not_empty="not empty",
)

CHINESE = Words(
    introduction="""\
# 设置

一次运行的全部设置，均来自 `engine/settings/settings.py` 中的唯一声明（本页由 `python docs/make_settings.py` 生成；
English: [SETTINGS.md](SETTINGS.md)）。

设置可以写在命令行（`minimind run --batch_size 16`，连字符与下划线等价）、预设（`presets/*.toml`）
或以往运行的 `run.toml` 中，放在所属分组的表下：

```toml
[training]
batch_size = 16
```

命令行优先于文件，文件优先于预设，预设优先于下列默认值。`minimind presets show NAME` 打印某个预设解析后的全部设置。
**粗体**为常用设置。

最后一列说明恢复运行时改动该值的后果：
""",
    groups={
        "model": "模型",
        "data": "数据",
        "training": "训练",
        "schedule": "学习率曲线",
        "device": "设备",
        "checkpoints": "检查点",
        "watch": "观察",
        "trackers": "实验跟踪",
    },
    columns=("设置", "参数", "取值", "默认值", "单位", "含义", "恢复时"),
    on_resume={
        "free": ("可改", "直接采用，运行仍逐位一致地继续。"),
        "inexact": (
            "可改，不逐位一致",
            "予以采用，但运行不再逐位一致，并会说明。`batch_size` × `accumulation_steps` 须保持不变。",
        ),
        "fork": ("不可改", "拒绝：那将是另一个实验。请新建运行，可用 `--from_weight` 从已有权重开始。"),
        "new": ("不可改（形状）", "拒绝：已有权重只适用于原值。"),
    },
    units={
        "tokens": "词元",
        "rows": "行",
        "updates": "步",
        "threads": "线程",
        "processes": "进程",
        "machines": "台",
        "seconds": "秒",
        "minutes": "分钟",
    },
    types={
        "integer": "整数",
        "number": "数",
        "string": "文本",
        "boolean": "`true`、`false`",
        "array": "文本列表",
    },
    between="{low} 到 {high}",
    at_least="不小于 {low}",
    at_most="不大于 {high}",
    above="大于 {low}",
    below="小于 {high}",
    either="或",
    comma="，",
    colon="：",
    not_empty="非空",
)

WORDS = {"en": ENGLISH, "zh": CHINESE}


def render(language: str) -> str:
    """The whole page in `language` (`en` or `zh`)."""
    words = WORDS[language]
    schemas = Settings.model_json_schema()["properties"]
    declared = declarations(Settings)
    legend = "".join(f"- {word}{words.colon}{meaning}\n" for word, meaning in words.on_resume.values())
    page = [words.introduction, legend]
    for group in GROUPS:
        rows = [
            _row(name, declaration, schemas[name], language)
            for name, declaration in declared.items()
            if declaration.group == group
        ]
        page.append(f"## {words.groups[group]} `[{group}]`\n")
        page.append("\n".join([_line(words.columns), _line(["---"] * len(words.columns)), *rows]) + "\n")
    return "\n".join(page)


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` tell which are not current; returns the exit code."""
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    stale = [
        path
        for language, path in FILES.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != render(language)
    ]
    if arguments:
        for path in stale:
            print(f"{path.name} is not current: run python docs/make_settings.py", file=sys.stderr)
        return 1 if stale else 0
    for language, path in FILES.items():
        path.write_text(render(language), encoding="utf-8")
    return 0


def _row(name: str, declaration: Declaration, schema: Mapping[str, Any], language: str) -> str:
    words = WORDS[language]
    return _line(
        [
            f"**`{name}`**" if declaration.basic else f"`{name}`",
            f"`--{name.replace('_', '-')}`",
            values_in_words(schema, words),
            _default(schema["default"], words),
            words.units[declaration.unit] if declaration.unit else "",
            declaration.help(language),
            words.on_resume[declaration.on_resume][0],
        ]
    )


def values_in_words(schema: Mapping[str, Any], words: Words) -> str:
    """What a JSON schema allows, in words: `` `auto` or whole number, 1 to 64``."""
    if "anyOf" in schema:
        return words.either.join(values_in_words(part, words) for part in schema["anyOf"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return words.comma.join(f"`{choice}`" for choice in schema["enum"])
    if "pattern" in schema:
        return f"`{schema['pattern']}`"
    limits = _limits(schema, words)
    return words.types[schema["type"]] + (words.comma + limits if limits else "")


def _limits(schema: Mapping[str, Any], words: Words) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return words.between.format(low=_number(low), high=_number(high))
    limits = [
        (words.at_least, low),
        (words.above, schema.get("exclusiveMinimum")),
        (words.at_most, high),
        (words.below, schema.get("exclusiveMaximum")),
    ]
    told = [sentence.format(low=_number(n), high=_number(n)) for sentence, n in limits if n is not None]
    return words.comma.join(told + ([words.not_empty] if schema.get("minLength") == 1 else []))


def _default(value: object, words: Words) -> str:
    if isinstance(value, list):
        return words.comma.join(f"`{text}`" for text in value)
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{_number(value)}`" if isinstance(value, int | float) else f"`{value}`"


def _number(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _line(cells: list[str] | tuple[str, ...]) -> str:
    """One line of a Markdown table; a bar within a cell is no border, in code neither."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
