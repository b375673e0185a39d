"""Curves as SVG: well-formed for any numbers, and where they belong."""

import math
import re
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from minimind_tui.charts.curves import Curve
from minimind_tui.report.svg_chart import HEIGHT, WIDTH, Chart, Rule, svg_chart

NAMES = {"s": "http://www.w3.org/2000/svg"}
NAN, INF = math.nan, math.inf


def chart(*curves: Curve, **options: object) -> Chart:
    return Chart("Loss", "nats", "step", curves, **options)  # type: ignore[arg-type]


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path)]


def curve_paths(text: str) -> list[str]:
    root = ElementTree.fromstring(text)
    return [str(path.get("d")) for path in root.findall("s:path", NAMES) if path.get("stroke-linejoin") == "round"]


def test_a_line_runs_from_corner_to_corner() -> None:
    text = svg_chart(chart(Curve("loss", [0, 50, 100], [4.0, 2.0, 0.0])))
    [path] = curve_paths(text)
    (x0, y0), (x1, y1), (x2, y2) = points(path)
    assert x0 < x1 < x2 and y0 < y1 < y2  # falling: the picture's y grows downwards
    assert x1 - x0 == x2 - x1 and abs((y1 - y0) - (y2 - y1)) < 0.11
    words = [element.text for element in ElementTree.fromstring(text).findall("s:text", NAMES)]
    assert {"Loss", "nats", "step", "0", "20", "100", "4"} <= set(words)


def test_a_gap_stays_a_gap_and_a_number_alone_a_dot() -> None:
    [path] = curve_paths(svg_chart(chart(Curve("loss", list(range(6)), [1.0, 2.0, NAN, 3.0, INF, 2.0]))))
    assert path.count("M") == 3 and path.count("h.01") == 2


def test_the_three_styles_differ_in_more_than_colour() -> None:
    x = [1, 2, 3]
    text = svg_chart(
        chart(
            Curve("raw", x, [3.0, 2.0, 1.0], "faint"),
            Curve("smoothed", x, [3.0, 2.0, 1.0]),
            Curve("validation", [1, 3], [2.5, 1.5], "points"),
        )
    )
    root = ElementTree.fromstring(text)
    widths = {path.get("stroke-width") for path in root.findall("s:path", NAMES) if path.get("stroke-linejoin")}
    assert widths == {"1.0", "2.0"}
    assert [circle[0].text for circle in root.findall("s:circle", NAMES) if len(circle)] == ["1: 2.5", "3: 1.5"]
    assert {"raw", "smoothed", "validation"} <= {element.text for element in root.findall("s:text", NAMES)}


def test_nothing_comes_from_elsewhere_and_nothing_runs() -> None:
    hostile = '"><script>alert(1)</script><a href="javascript:x">&\x00\ufffe'
    text = svg_chart(
        Chart(
            hostile, hostile, hostile, [Curve(hostile, [1, 2], [1.0, 2.0]), Curve("b", [1], [1.0])], [Rule(1, hostile)]
        )
    )
    root = ElementTree.fromstring(text)
    assert {element.tag.partition("}")[2] for element in root.iter()} <= {"svg", "title", "text", "path", "circle"}
    for element in root.iter():
        assert not {name for name in element.attrib if name.startswith("on") or "href" in name}
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "<script" not in text and hostile[2:27] in (root.find("s:title", NAMES).text or "")  # type: ignore[union-attr]


def test_without_a_number_there_is_no_picture() -> None:
    assert svg_chart(chart()) == ""
    assert svg_chart(chart(Curve("loss", [], []))) == ""
    assert svg_chart(chart(Curve("loss", [1, 2], [NAN, INF]))) == ""
    assert svg_chart(chart(Curve("loss", [1, 2], [0.0, -1.0]), log=True)) == ""


def test_a_logarithmic_axis_has_decades() -> None:
    text = svg_chart(chart(Curve("loss", [1, 2, 3, 4], [1e-3, 1e-1, 10, 1000]), log=True))
    words = {element.text for element in ElementTree.fromstring(text).findall("s:text", NAMES)}
    assert {"0.001", "0.1", "10", "1000"} <= words


def test_a_million_points_make_a_small_picture() -> None:
    count = 1_000_000
    values = [2.0 + (index % 7) for index in range(count)]
    values[654_321] = 50.0
    text = svg_chart(chart(Curve("loss", range(count), values)))
    assert len(text) < 100_000
    [path] = curve_paths(text)
    highest = min(y for _x, y in points(path))
    assert sum(abs(y - highest) < 1 for _x, y in points(path)) == 1  # the spike is there


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 10**9), st.floats()), max_size=30),
    st.sampled_from(["line", "faint", "points"]),
    st.booleans(),
)
def test_any_numbers_stay_within_the_picture(pairs: list[tuple[int, float]], style: str, log: bool) -> None:
    pairs.sort(key=lambda pair: pair[0])
    curve = Curve("x", [x for x, _y in pairs], [y for _x, y in pairs], style)  # type: ignore[arg-type]
    text = svg_chart(chart(curve, log=log))
    if not text:
        return
    for path in curve_paths(text):
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points(path))
    assert "nan" not in text and "inf" not in text
