"""The charts: precision and recall, calibration, match weights, a pair's waterfall. Each is a pure function to SVG."""

from math import floor

import numpy as np

from matcher.evaluation.evaluation import Evaluation
from matcher.evaluation.example import Example
from matcher.evaluation.measures import Calibration, Quality
from matcher.evaluation.report.axes import WIDTH, Scale, axes, chart, frame, line
from matcher.evaluation.report.markup import Html, join, tag
from matcher.model import EvidenceBand
from matcher.scoring.model import MatchModel

_LOWEST, _HIGHEST, _STEP = -15.0, 30.0, 0.25
_SHOWN_FROM = -20.0
"""Weights below it, in bits, are no evidence but a rule: so unlike, the field must not count."""
_ROW = 26
_NAME_ENDS = 104


def grid(evaluation: Evaluation) -> list[float]:
    """Thresholds in bits, rising, that the report shows: even steps, and the one in use."""
    steps = np.arange(_LOWEST, _HIGHEST + _STEP, _STEP).tolist()
    return sorted({*steps, evaluation.thresholds.match_weight})


def _share(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") or "0"


def _bits(value: float) -> str:
    return f"{value:g}"


def precision_recall(evaluation: Evaluation) -> Html:
    """Precision against recall over all thresholds, with the threshold in use, and what persons make of its links."""
    curve, threshold = evaluation.curve, evaluation.thresholds.match_weight
    points = [curve.at(weight) for weight in grid(evaluation)]
    used, best = curve.at(threshold), curve.at(evaluation.best_threshold)
    shown = (used, best, evaluation.pairs)
    lows = [min(getattr(each, name) for each in shown) for name in ("recall", "precision")]
    # where linking is any good, all that matters happens near 1
    low_x, low_y = (max(0.0, floor((1 - 2.5 * (1 - low)) * 20) / 20) for low in lows)
    x, y = frame((min(low_x, 0.95), 1.0), (min(low_y, 0.95), 1.0), 340)
    inside = [(x(q.recall), y(q.precision)) for q in points if q.recall >= x.low and q.precision >= y.low]
    marks = (
        ("best", "best F1 of all thresholds", best),
        ("used", "threshold in use", used),
        ("after", "threshold in use, after persons are resolved", evaluation.pairs),
    )
    drawn = [_mark(class_, name, x(q.recall), y(q.precision), q) for class_, name, q in marks]
    description = "Precision against recall over all thresholds. " + "; ".join(
        f"{name}: precision {q.precision:.4f}, recall {q.recall:.4f}" for _, name, q in marks
    )
    return chart(340, description, axes(x, y, "recall", "precision", _share), line(inside, "precision"), *drawn)


def _mark(class_: str, name: str, x: float, y: float, quality: Quality) -> Html:
    title = tag("title", f"{name}: precision {quality.precision:.4f}, recall {quality.recall:.4f}")
    if class_ == "best":
        return tag("rect", title, x=x - 5, y=y - 5, width=10, height=10, class_="mark best")
    if class_ == "used":
        return tag("circle", title, cx=x, cy=y, r=6, class_="mark used")
    points = f"{x:.1f},{y - 7:.1f} {x + 7:.1f},{y + 5:.1f} {x - 7:.1f},{y + 5:.1f}"
    return tag("polygon", title, points=points, class_="mark after")


def by_threshold(evaluation: Evaluation) -> Html:
    """Precision, recall and F1 against the threshold, with a line that the page's script moves."""
    weights = grid(evaluation)
    points = [evaluation.curve.at(weight) for weight in weights]
    x, y = frame((_LOWEST, _HIGHEST), (0.0, 1.0), 260)
    lines = [
        line([(x(w), y(getattr(q, name))) for w, q in zip(weights, points, strict=True)], name)
        for name in ("precision", "recall", "f1")
    ]
    at = x(evaluation.thresholds.match_weight)
    ruler = tag("line", x1=at, x2=at, y1=y.start, y2=y.stop, class_="ruler", id="ruler")
    # what the script needs to place the line
    place = {"data_low": _LOWEST, "data_high": _HIGHEST, "data_start": x.start, "data_stop": x.stop}
    drawn = tag("g", *lines, ruler, id="thresholds", **place)
    title = "threshold, match weight in bits"
    return chart(260, "Precision, recall and F1 against the threshold.", axes(x, y, title, "share", _bits), drawn)


def calibration_chart(found: Calibration) -> Html:
    """Observed share against predicted probability; a dot's area grows with its bin's pairs."""
    x, y = frame((0.0, 1.0), (0.0, 1.0), 340)
    largest = max(found.count.tolist(), default=1)
    dots = []
    for predicted, observed, count in zip(found.predicted, found.observed, found.count.tolist(), strict=True):
        title = tag("title", f"predicted {predicted:.3f}, observed {observed:.3f}, {count} pairs")
        radius = 3 + 9 * (count / largest) ** 0.5
        dots.append(tag("circle", title, cx=x(predicted), cy=y(observed), r=radius, class_="dot"))
    # where a bin of so many pairs would lie, 19 times in 20, if its prediction were right
    spread = 1.96 * np.sqrt(found.predicted * (1 - found.predicted) / np.maximum(found.count, 1))
    whiskers = [
        tag("line", x1=x(p), x2=x(p), y1=y(max(p - s, 0)), y2=y(min(p + s, 1)), class_="whisker")
        for p, s in zip(found.predicted.tolist(), spread.tolist(), strict=True)
    ]
    diagonal = line([(x(0), y(0)), (x(1), y(1))], "diagonal")
    titles = ("predicted match probability", "observed share of matches")
    description = f"Observed share of matches against predicted probability, in {len(dots)} bins."
    return chart(340, description, axes(x, y, *titles, _share), diagonal, *whiskers, *dots)


def match_weights(model: MatchModel) -> Html:
    """Each field's weight where it agrees and where it differs, and how it falls between."""
    agree = [float(table[0]) for table in model.tables]
    differ = [float(table[-1]) if len(table) > 1 else 0.0 for table in model.tables]  # no block shared says nothing
    scale = Scale(max(min(differ), _SHOWN_FROM), max(0.0, *agree), _NAME_ENDS + 44, WIDTH - 108)
    rows = []
    for f, field in enumerate(model.scheme.fields):
        top = 8 + f * (_ROW + 12)
        rows += [
            tag("text", field.name, x=_NAME_ENDS - 4, y=top + 19, text_anchor="end"),
            _bar(scale, 0.0, agree[f], top, 12, "for"),
            _bar(scale, 0.0, differ[f], top + 14, 12, "against"),
            _value(scale, agree[f], top + 10),
            _value(scale, differ[f], top + 24),
            *([_falling(model, f, top)] if field.bits else []),
        ]
    height = 8 + len(model.tables) * (_ROW + 12) + 20
    zero = tag("line", x1=scale(0), x2=scale(0), y1=4, y2=height - 18, class_="axis")
    names = "; ".join(
        f"{field.name}: {a:.1f} bits where it agrees, {d:.1f} where it differs"
        for field, a, d in zip(model.scheme.fields, agree, differ, strict=True)
    )
    words = [
        tag("text", "bits", x=scale(0), y=height - 4, text_anchor="middle", class_="title"),
        tag("text", "by distance", x=WIDTH - 4, y=height - 4, text_anchor="end", class_="title"),
    ]
    return chart(height, f"Match weights by field. {names}.", zero, *rows, *words)


def _falling(model: MatchModel, f: int, top: float) -> Html:
    """A small curve: weight by distance from 0 to half the field's bits, where unlike values lie."""
    table = model.tables[f][: len(model.tables[f]) // 2 + 1]
    low = max(min(float(t.min()) for t in model.tables), _SHOWN_FROM)
    high = max(float(t.max()) for t in model.tables)
    x, y = Scale(0, len(table) - 1, WIDTH - 60, WIDTH - 8), Scale(low, high, top + _ROW, top)
    zero = tag("line", x1=x.start, x2=x.stop, y1=y(0), y2=y(0), class_="grid")
    return join(zero, line([(x(d), y(float(weight))) for d, weight in enumerate(table)], "falling"))


def waterfall(example: Example, model: MatchModel, threshold: float) -> Html:
    """From the prior over what other pairs say and each field's weight to the match weight; `threshold` in bits."""
    fields = [field.name for field in model.scheme.fields]
    shown = [f for f, band in enumerate(example.bands) if band is not EvidenceBand.MISSING]
    start = example.prior + example.partners
    reached = [start, *(start + np.cumsum([example.weights[f] for f in shown])).tolist()]
    ends = [0.0, threshold, example.total, example.prior, *reached]
    scale = Scale(min(ends) - 1, max(ends) + 1, _NAME_ENDS + 122, WIDTH - 46)
    rows = [
        _step(scale, 0, f"a {example.rival}", "prior", 0.0, example.prior),
        _step(scale, 1, "other pairs", "", example.prior, start),
    ]
    for number, f in enumerate(shown):
        name = f"{example.bands[f].name.lower()}{_why_nothing(example, model, f)}"
        rows.append(_step(scale, number + 2, fields[f], name, reached[number], reached[number + 1]))
    last = len(rows)
    rows.append(_step(scale, last, "match weight", "", 0.0, example.total, "total"))
    height = (last + 1) * _ROW + 26
    lines = [
        tag("line", x1=scale(0), x2=scale(0), y1=2, y2=height - 22, class_="axis"),
        tag("line", x1=scale(threshold), x2=scale(threshold), y1=2, y2=height - 22, class_="ruler"),
        tag("text", f"threshold {threshold:.1f}", x=scale(threshold), y=height - 6, text_anchor="middle"),
    ]
    said = "; ".join(f"{fields[f]} {example.bands[f].name.lower()} {example.weights[f]:+.1f}" for f in shown)
    start_said = f"Prior {example.prior:.1f} bits; other pairs {example.partners:+.1f}"
    description = f"{start_said}; {said}; match weight {example.total:.1f} bits."
    return chart(height, description, *lines, *rows)


def _why_nothing(example: Example, model: MatchModel, f: int) -> str:
    """Why a field that is there says nothing, if it is not by its own weight."""
    explained = [name for rival in model.rivals if rival.name == example.rival for name in rival.explains]
    if model.scheme.fields[f].name in explained:
        return " (shared)"
    alternatives = next(each for each in model.scheme.alternatives if any(f in fields for fields in each))
    return " (unused)" if example.weights[f] == 0 and len(alternatives) > 1 else ""


def _step(scale: Scale, row: int, name: str, band: str, start: float, stop: float, class_: str | None = None) -> Html:
    top = 4 + row * _ROW
    kind = class_ or ("for" if stop >= start else "against")
    change = f"{stop - start:+.1f}" if stop != start else "0"
    return join(
        tag("text", name, x=_NAME_ENDS, y=top + 15, text_anchor="end"),
        tag("text", band, x=_NAME_ENDS + 8, y=top + 15, class_="faint"),
        _bar(scale, start, stop, top + 2, 17, kind),
        tag("text", change, x=max(scale(start), scale(stop)) + 5, y=top + 15),
    )


def _bar(scale: Scale, start: float, stop: float, top: float, height: float, class_: str) -> Html:
    left, right = sorted((scale(start), scale(stop)))
    return tag("rect", x=left, y=top, width=max(right - left, 1.5), height=height, class_=f"bar {class_}")


def _value(scale: Scale, value: float, y: float) -> Html:
    anchor, gap = ("start", 4) if value >= 0 else ("end", -4)
    text = f"{value:+.1f}" if value >= _SHOWN_FROM else "never"
    return tag("text", text, x=scale(value) + gap, y=y, text_anchor=anchor, class_="small")
