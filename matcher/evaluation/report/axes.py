"""Scales and axes of the charts. Lengths are SVG units: a chart is `WIDTH` wide and scales with the page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor, log10

from matcher.evaluation.report.markup import Html, join, tag

WIDTH = 460
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 14, 12, 40
_TICKS = 5


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear map of values to places."""

    low: float
    high: float
    start: float
    """Place of `low`."""
    stop: float
    """Place of `high`."""

    def __call__(self, value: float) -> float:
        """The place of a value; values outside stand at the end."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.stop - self.start)

    def ticks(self) -> list[float]:
        """Round values, four to ten of them."""
        raw = (self.high - self.low) / _TICKS
        unit = 10.0 ** floor(log10(raw))
        step = next(unit * each for each in (1, 2, 2.5, 5, 10) if unit * each >= raw)
        first = -floor(-self.low / step + 1e-9)
        return [number * step for number in range(first, floor(self.high / step + 1e-9) + 1)]


def frame(x: tuple[float, float], y: tuple[float, float], height: float) -> tuple[Scale, Scale]:
    """Scales of a chart with room for its axes, for values from low to high."""
    return Scale(*x, _LEFT, WIDTH - _RIGHT), Scale(*y, height - _BOTTOM, _TOP)


def axes(x: Scale, y: Scale, x_title: str, y_title: str, label: Callable[[float], str]) -> Html:
    """Grid lines, tick labels and titles."""
    parts: list[Html] = []
    for value in x.ticks():
        parts.append(tag("line", x1=x(value), x2=x(value), y1=y.start, y2=y.stop, class_="grid"))
        parts.append(tag("text", label(value), x=x(value), y=y.start + 16, text_anchor="middle"))
    for value in y.ticks():
        parts.append(tag("line", x1=x.start, x2=x.stop, y1=y(value), y2=y(value), class_="grid"))
        parts.append(tag("text", label(value), x=x.start - 6, y=y(value) + 4, text_anchor="end"))
    middle = (x.start + x.stop) / 2
    parts.append(tag("text", x_title, x=middle, y=y.start + 34, text_anchor="middle", class_="title"))
    height = (y.start + y.stop) / 2
    turned = f"rotate(-90 11 {height:.1f})"
    parts.append(tag("text", y_title, x=11, y=height, text_anchor="middle", transform=turned, class_="title"))
    return join(*parts)


def line(points: Sequence[tuple[float, float]], class_: str) -> Html:
    """A line through places."""
    return tag("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), class_=f"line {class_}")


def chart(height: float, description: str, *content: str) -> Html:
    """The whole chart; `description` is what somebody hears who cannot see it."""
    return tag("svg", *content, viewBox=f"0 0 {WIDTH} {height:g}", role="img", aria_label=description)
