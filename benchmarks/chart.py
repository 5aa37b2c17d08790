"""Draws what `scale` measured: what a record costs, its candidates, and recall, against the records held."""

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from math import floor, log10
from pathlib import Path
from typing import Any, NamedTuple

import click

from matcher.evaluation.report.axes import WIDTH, Scale, axes, frame, line
from matcher.evaluation.report.markup import Html, join, raw, tag

_HEIGHT = 300.0
_ACROSS, _UP = 1.3, 2.0
"""Between the outermost values and the ends of a logarithmic axis, times."""
_LOWEST_SHARE = 0.5
_STYLE = """
svg { background: #fff; font: 12.5px system-ui, sans-serif; } text { fill: #1d232b; } .title { fill: #5d6672; }
.grid { stroke: #dfe2e6; } .line { fill: none; stroke-width: 2.25; }
.first { stroke: #1f5fbf; } .second { stroke: #b3560b; stroke-dasharray: 7 3; }
circle.first { fill: #1f5fbf; } circle.second { fill: #b3560b; } text.first { fill: #1f5fbf; stroke: none; }
text.second { fill: #b3560b; stroke: none; }
"""


@dataclass(frozen=True, slots=True)
class LogScale(Scale):
    """A map of values above 0 to places, each ten times another as far from it."""

    def __call__(self, value: float) -> float:
        """The place of a value; values outside stand at the end."""
        value = min(max(value, self.low), self.high)
        return self.start + log10(value / self.low) / log10(self.high / self.low) * (self.stop - self.start)

    def ticks(self) -> list[float]:
        """Ones, twos and fives between the ends."""
        decades = range(floor(log10(self.low)), floor(log10(self.high)) + 1)
        values = (digit * 10.0**decade for decade in decades for digit in (1, 2, 5))
        return [value for value in values if self.low <= value <= self.high]


class Panel(NamedTuple):
    """One of the charts that stand side by side."""

    title: str
    y_title: str
    lines: dict[str, list[float]]
    """Two at most, by name."""
    is_share: bool = False
    """Its values are, 0 to 1; else they stand on a logarithmic scale."""


def run(figures_path: Path, out: Path) -> None:
    """Draw the figures that `scale --json` wrote. `click.ClickException` if it did not write them."""
    try:
        figures = json.loads(figures_path.read_text())
        held = [float(each["records"]) for each in figures["results"]]
        panels = _panels(figures["results"])
        made = f"commit {figures['commit']}, {figures['cores']} cores, seed {figures['results'][0]['seed']}"
    except (ValueError, KeyError, TypeError, IndexError):
        raise click.ClickException(f"{figures_path} is not what `scale --json` writes") from None
    out.write_text(sheet(held, panels, made))


def _panels(results: Sequence[dict[str, Any]]) -> list[Panel]:
    def column(name: str) -> list[float]:
        return [float(each[name]) for each in results]

    taken = [1e6 / rate for rate in column("append_and_match_records_per_second")]
    worked = column("server_cpu_microseconds_per_record")
    found = {"precision": column("known_to_two_precision"), "recall": column("known_to_two_recall")}
    return [
        Panel("Cost of a record", "microseconds", {"appended and matched": taken, "matcher's processor": worked}),
        Panel("Candidates of a record", "pairs", {"candidates": column("candidates_per_record")}),
        Panel("Known to two or more agencies", "share", found, is_share=True),
    ]


def sheet(held: Sequence[float], panels: Sequence[Panel], made: str) -> Html:
    """The panels side by side as one SVG file; `made` says what the figures depend on."""
    drawn = [tag("g", _panel(held, each), transform=f"translate({at * WIDTH} 26)") for at, each in enumerate(panels)]
    said = "; ".join(
        f"{name}, {each.title.lower()}: " + ", ".join(f"{y:g} at {x:,.0f}" for x, y in zip(held, values, strict=True))
        for each in panels
        for name, values in each.lines.items()
    )
    note = tag("text", made, x=len(panels) * WIDTH - 14, y=_HEIGHT + 44, text_anchor="end", class_="title")
    return tag(
        "svg", tag("style", raw(_STYLE)), *drawn, note, xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {len(panels) * WIDTH} {_HEIGHT + 54:g}", role="img", aria_label=f"By records held. {said}.",
    )  # fmt: skip


def _panel(held: Sequence[float], panel: Panel) -> Html:
    values = [value for each in panel.lines.values() for value in each]
    ends = (_LOWEST_SHARE, 1.0) if panel.is_share else (min(values) / _UP, max(values) * _UP)
    x, y = frame((min(held) / _ACROSS, max(held) * _ACROSS), ends, _HEIGHT)
    x, y = LogScale(*astuple(x)), y if panel.is_share else LogScale(*astuple(y))
    parts = [
        tag("text", panel.title, x=(x.start + x.stop) / 2, y=0, text_anchor="middle"),
        axes(x, y, "records held", panel.y_title, lambda value: f"{value:,.10g}"),
    ]
    for at, (class_, (name, of)) in enumerate(zip(("first", "second"), panel.lines.items(), strict=False)):
        places = [(x(count), y(value)) for count, value in zip(held, of, strict=True)]
        parts.append(line(places, class_))
        for (across, up), value in zip(places, of, strict=True):
            title = tag("title", f"{name}: {value:,.4g}")
            parts.append(tag("circle", title, cx=across, cy=up, r=4, class_=class_))
        parts.append(tag("text", name, x=x.start + 8, y=y.start - 8 - 18 * at, class_=class_))
    return join(*parts)
