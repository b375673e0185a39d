"""What an inspected data file is good for, in words."""

from engine.data.inspect_report import Finding, InspectReport, Level
from engine.language import _

LEVELS: tuple[Level, ...] = ("ok", "note", "warning", "error")

TOKENS_PER_PARAMETER = 20
"""Training tokens a parameter from which a model of a size stops gaining much (Hoffmann et al. 2022)."""
_FEW_TEXTS = 1000
_FEW_TOKENS = 100_000


def judge(report: InspectReport) -> tuple[Finding, ...]:
    """The verdict on a report, the most serious findings first; one "ok" when nothing stands in the way."""
    findings = [
        finding
        for rule in (_usable, _problems, _repetition, _near_duplicates, _size, _lengths, _truncation, _control, _script)
        if (finding := rule(report)) is not None
    ]
    findings.sort(key=lambda finding: -LEVELS.index(finding.level))
    if not any(finding.level in ("warning", "error") for finding in findings):
        message = _("Good to train on: {documents} documents, {tokens} tokens.").format(
            documents=_amount(report.documents, report.documents_exact),
            tokens=_amount(report.tokens, report.tokens_exact),
        )
        findings.insert(0, Finding("ok", message))
    return tuple(findings)


def _amount(count: int, exact: bool) -> str:
    """A count with separators; an estimate is rounded to three digits and says so."""
    if exact:
        return f"{count:,}"
    step = max(1, 10 ** (len(str(count)) - 3))
    return _("about {count:,}").format(count=round(count / step) * step)


def _usable(report: InspectReport) -> Finding | None:
    if report.documents:
        return None
    return Finding("error", _("There is no usable text in this file: see the problems below."))


def _problems(report: InspectReport) -> Finding | None:
    if not report.unusable_lines or not report.documents:
        return None
    share = report.unusable_lines / report.lines_looked_at
    message = _("{share:.2%} of the lines cannot be used ({count:,} of {lines:,} looked at).").format(
        share=share, count=report.unusable_lines, lines=report.lines_looked_at
    )
    if share > report.bad_lines_limit:
        return Finding(
            "error",
            message
            + _(" Training stops above {limit:.2%}: mend them, or raise --bad_lines_limit.").format(
                limit=report.bad_lines_limit
            ),
        )
    return Finding("note", message + _(" They are skipped and counted."))


def _repetition(report: InspectReport) -> Finding | None:
    duplicates = report.duplicates
    if duplicates.share < 0.05:
        return None
    if duplicates.share >= 0.5 and duplicates.distinct < _FEW_TEXTS:
        message = _(
            "{compared:,} documents, but only {distinct:,} distinct texts: each comes {times:.0f} times."
            " A model learns them by heart within minutes, its loss falls to nothing, and it writes nothing else."
            " That is fine to see training run; for a model that writes, take a file with many different texts."
        )
        level: Level = "warning"
    elif duplicates.share >= 0.3:
        message = _(
            "{share:.0%} of the documents are exact copies ({distinct:,} distinct of {compared:,} compared): training"
            " spends that share of its time on repetition. Remove the copies, for example with `sort -u`."
        )
        level = "warning"
    else:
        message = _(
            "{share:.0%} of the documents are exact copies of others; removing them saves that share of the time."
        )
        level = "note"
    return Finding(
        level,
        message.format(
            compared=duplicates.compared,
            distinct=duplicates.distinct,
            share=duplicates.share,
            times=duplicates.compared / max(1, duplicates.distinct),
        ),
    )


def _near_duplicates(report: InspectReport) -> Finding | None:
    near = report.near_duplicates
    if near.documents < 20 or near.share < 0.1:
        return None
    first, second, _similarity = near.pairs[0]
    return Finding(
        "warning" if near.share >= 0.4 else "note",
        _(
            "{share:.0%} of the distinct texts compared ({compared:,}) are nearly the same as another, as texts from a"
            " template are: see lines {first} and {second}."
        ).format(share=near.share, compared=near.documents, first=first, second=second),
    )


def _size(report: InspectReport) -> Finding | None:
    if not report.documents:
        return None
    ratio = report.tokens_per_parameter
    if ratio is None or report.parameters is None:
        if report.tokens >= _FEW_TOKENS:
            return None
        return Finding(
            "warning",
            _("Only {tokens:,} tokens: enough to try things out, too few for a model to learn a language from.").format(
                tokens=report.tokens
            ),
        )
    wanted = TOKENS_PER_PARAMETER * report.parameters
    message = _("{ratio:.2g} tokens for each of the model's {parameters:,} parameters.").format(
        ratio=ratio, parameters=report.parameters
    )
    if ratio < 1:
        return Finding(
            "warning",
            message
            + _(
                " It will learn the texts by heart rather than the language: a rule of thumb is {guide}"
                " ({wanted:,} tokens). Take more data or a smaller model, and watch the validation loss."
            ).format(guide=TOKENS_PER_PARAMETER, wanted=wanted),
        )
    if ratio < TOKENS_PER_PARAMETER:
        return Finding(
            "note",
            message
            + _(" A rule of thumb is {guide}: several epochs help, more data helps more.").format(
                guide=TOKENS_PER_PARAMETER
            ),
        )
    return Finding(
        "note",
        message + _(" That is plenty for one epoch (rule of thumb: {guide}).").format(guide=TOKENS_PER_PARAMETER),
    )


def _lengths(report: InspectReport) -> Finding | None:
    if not report.documents:
        return None
    if report.median_tokens < 8:
        return Finding(
            "warning",
            _(
                "Half of the texts have fewer than {tokens:.0f} tokens: there is hardly any context to learn from."
            ).format(tokens=report.median_tokens + 1),
        )
    if report.fill_padded < 0.6:
        return Finding(
            "note",
            _(
                "Padded to {length} positions, {empty:.0%} of every row would be empty; packing fills {packed:.0%},"
                " which makes an epoch {times:.1f} times as fast."
            ).format(
                length=report.max_seq_len,
                empty=1 - report.fill_padded,
                packed=report.fill_packed,
                times=report.fill_packed / report.fill_padded,
            ),
        )
    return None


def _truncation(report: InspectReport) -> Finding | None:
    if report.overlong_share < 0.01:
        return None
    message = _("{share:.1%} of the documents are longer than a row of {length} positions").format(
        share=report.overlong_share, length=report.max_seq_len
    )
    lost = report.truncated_token_share
    if report.overlong == "truncate":
        return Finding(
            "warning" if lost > 0.05 else "note",
            message
            + _(" and truncated: {lost:.1%} of all tokens are lost. `--overlong split` loses none.").format(lost=lost),
        )
    return Finding(
        "note",
        message
        + _(": they are split, no token is lost (truncating would lose {lost:.1%} of all tokens).").format(lost=lost),
    )


def _control(report: InspectReport) -> Finding | None:
    if not report.control_share:
        return None
    return Finding(
        "note",
        _(
            "{share:.1%} of the documents contain control tokens such as {example} as text, as MiniMind's own data"
            " does; they are read as those control tokens."
        ).format(share=report.control_share, example=report.control_example),
    )


def _script(report: InspectReport) -> Finding | None:
    """A tokenizer that does not fit: byte-level ones fall back to about one token a byte."""
    if not report.documents or report.tokens < 1000 or report.bytes_per_token >= 1.7:
        return None
    return Finding(
        "warning",
        _(
            "The tokenizer does not fit these texts: {bytes:.1f} bytes a token, where {usual} are usual."
            " Sequences become that much longer; choose a tokenizer trained on this language (--tokenizer)."
        ).format(bytes=report.bytes_per_token, usual="3-5"),
    )
