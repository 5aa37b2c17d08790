"""The tables of the report, with bars in their cells."""

from collections.abc import Iterable, Sequence

from matcher.evaluation.evaluation import Evaluation
from matcher.evaluation.gallery import ErrorKind, ErrorPair
from matcher.evaluation.measures import Quality
from matcher.evaluation.report.markup import BREAK, Html, join, tag
from matcher.evaluation.stages import StageName
from matcher.model import EvidenceBand

_SIGNS = {
    EvidenceBand.AGREE: ("agree", "="),
    EvidenceBand.SIMILAR: ("similar", "≈"),
    EvidenceBand.DIFFER: ("differ", "≠"),
    EvidenceBand.MISSING: ("missing", "·"),
    None: ("not compared", "?"),
}
_SAID = {
    StageName.BLOCKING: "pairs that share no block are never compared",
    StageName.SCORING: "pairs below the threshold are not linked",
    StageName.CLUSTERING: "persons part some links, and add pairs that others hold together",
}


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> Html:
    """A table whose first column names its rows; a wide one scrolls by itself."""
    header = tag("tr", *(tag("th", name, scope="col") for name in head))
    body = [
        tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:])) for row in rows if len(row)
    ]
    made = tag("table", tag("caption", caption), tag("thead", header), tag("tbody", *body))
    return tag("div", made, class_="scroll", tabindex="0", role="region", aria_label=caption)


def share(value: float, kind: str) -> Html:
    """A figure from 0 to 1 with a bar that is as long; `kind` colours it."""
    bar = tag("span", class_=f"fill {kind}", style=f"width:{100 * value:.1f}%")
    return join(tag("span", f"{value:.4f}", class_="figure"), tag("span", bar, class_="track", aria_hidden="true"))


def qualities(caption: str, name: str, groups: dict[str, Quality]) -> Html:
    """Quality by group."""
    head = (name, "true pairs", "precision", "recall", "F1", "false links", "missed pairs")
    return table(caption, head, ((label, *_cells(quality)) for label, quality in groups.items()))


def _cells(quality: Quality) -> tuple[str, ...]:
    return (
        f"{quality.true_positives + quality.false_negatives:,}",
        share(quality.precision, "precision"),
        share(quality.recall, "recall"),
        share(quality.f1, "f1"),
        f"{quality.false_positives:,}",
        f"{quality.false_negatives:,}",
    )


def agency_matrix(evaluation: Evaluation) -> Html:
    """Precision above the diagonal, recall below it."""
    rows = []
    for row, first in enumerate(evaluation.agencies):
        cells: list[str] = [first]
        for column, second in enumerate(evaluation.agencies):
            quality = evaluation.by_agencies.get(" / ".join(sorted((first, second))))
            if row == column or quality is None:
                cells.append("–" if row == column else "")
            else:
                kind = "precision" if row < column else "recall"
                cells.append(_shaded(getattr(quality, kind), kind))
        rows.append(cells)
    caption = "Precision above the diagonal, recall below it"
    return tag("div", table(caption, ("", *evaluation.agencies), rows), class_="matrix")


def _shaded(value: float, kind: str) -> Html:
    """A figure on a ground that is the stronger the worse it is: from 1 down to 0.7."""
    strength = min(1.0, (1 - value) / 0.3)
    return tag("span", f"{value:.3f}", class_=f"shade {kind}", style=f"--strength:{60 * strength:.0f}%")


def stage_table(evaluation: Evaluation) -> Html:
    """What every stage leaves, loses and adds."""
    head = ("stage", "true pairs left", "share of all", "lost", "added", "false pairs left", "removed", "added", "")
    total = evaluation.pairs.true_positives + evaluation.pairs.false_negatives
    all_false = f"{evaluation.stages[0].false + evaluation.stages[0].false_removed:,}"
    rows = [("before", f"{total:,}", "", "", "", all_false, "", "", "all pairs across agencies")]
    for stage in evaluation.stages:
        left = share(stage.true / total if total else 1.0, "recall")
        figures = (stage.true_lost, stage.true_added, stage.false, stage.false_removed, stage.false_added)
        lost, added, false, removed, false_added = (f"{figure:,}" for figure in figures)
        said = tag("span", _SAID[stage.name], class_="said")
        rows.append((stage.name.value, f"{stage.true:,}", left, lost, added, false, removed, false_added, said))
    return table("Pairs after each stage", head, rows)


def unlinkable_table(evaluation: Evaluation) -> Html:
    """Records that could never be linked, by agency; bars reach from 0 to the largest share."""
    head = ("agency", "records", "unlinkable", "in no block", "too little known")
    largest = max((each.share for each in evaluation.unlinkable), default=0.0) or 1.0
    rows = []
    for each in evaluation.unlinkable:
        bar = tag("span", class_="fill against", style=f"width:{100 * each.share / largest:.1f}%")
        shown = join(tag("span", f"{each.share:.2%}", class_="figure"), tag("span", bar, class_="track"))
        rows.append((each.agency, f"{each.records:,}", shown, f"{each.no_block:,}", f"{each.too_little:,}"))
    return table("Unlinkable records by agency", head, rows)


def gallery(kinds: Sequence[ErrorKind], fields: Sequence[str]) -> Html:
    """One fold for each kind of error, with its examples."""
    if not kinds:
        return tag("p", "None.")
    most = max(kind.count for kind in kinds)
    folds = []
    for kind in kinds:
        bar = tag("span", class_="fill against", style=f"width:{100 * kind.count / most:.1f}%")
        summary = tag(
            "summary",
            tag("span", f"{kind.count:,}", class_="count"),
            tag("span", kind.kind, class_="kind"),
            tag("span", bar, class_="track", aria_hidden="true"),
        )
        head = ("records", "match weight", *fields)
        shown = table("Examples, nearest to the threshold first", head, map(_example, kind.examples))
        folds.append(tag("details", summary, shown, class_="fold"))
    return join(*folds)


def _example(pair: ErrorPair) -> tuple[str, ...]:
    names = [f"{agency} {reference}" for agency, reference in (pair.left, pair.right)]
    weight = "" if pair.weight is None else f"{pair.weight:+.1f}"
    return (tag("span", names[0], BREAK, names[1], class_="pair"), weight, *map(_band, pair.bands))


def _band(band: EvidenceBand | None) -> Html:
    word, sign = _SIGNS[band]
    kind = word.replace(" ", "-")
    return tag("span", sign, class_=f"band {kind}", title=word, role="img", aria_label=word)


def band_legend() -> Html:
    """What the signs mean."""
    signs = (tag("span", _band(band), f" {word}", class_="pair") for band, (word, _) in _SIGNS.items())
    return tag("p", *signs, class_="legend")
