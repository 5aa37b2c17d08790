"""Evaluation, figures and report as a whole: the parts agree, and the page is safe to open anywhere."""

import csv
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from matcher.evaluation.evaluation import CALIBRATION_FLOOR, Evaluation, evaluate, evaluate_files
from matcher.evaluation.figures import figures
from matcher.evaluation.measures import pair_quality
from matcher.evaluation.report.axes import Scale
from matcher.evaluation.report.markup import tag
from matcher.evaluation.report.page import page
from matcher.linking import link_files
from matcher.model import Decision
from matcher.scheme import UK_PERSON_V1
from matcher.scoring.decision import weight_of

VOID = {"meta", "link", "br", "input"}


@pytest.fixture(scope="module")
def evaluation(linked) -> Evaluation:
    return evaluate(*linked)


@pytest.fixture(scope="module")
def html(evaluation) -> str:
    return page(evaluation)


class Reader(HTMLParser):
    """Checks that elements nest, and keeps attributes and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: dict[str, str] = {}

    def handle_starttag(self, name, attributes):
        self.attributes += [(name, key, value or "") for key, value in attributes]
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, data):
        inside = self.open[-1] if self.open else ""
        self.texts[inside] = self.texts.get(inside, "") + data


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


# -- evaluation ------------------------------------------------------------------------------------------------------


def test_the_parts_agree(evaluation, linked):
    found, truth = linked
    pairs = np.array([pair[:2] for pair in found.pairs() if pair.decision is Decision.MATCH])
    assert evaluation.pairs == pair_quality(pairs, truth.person, truth.agency)
    for groups in (evaluation.by_agencies, *evaluation.by_group.values()):
        assert sum(each.true_positives for each in groups.values()) == evaluation.pairs.true_positives
        assert sum(each.false_negatives for each in groups.values()) == evaluation.pairs.false_negatives
    assert set(evaluation.by_group) == {"sex", "age band", "origin"}
    scored = evaluation.curve.at(evaluation.thresholds.match_weight)
    assert (scored.true_positives, scored.false_positives) == (evaluation.stages[1].true, evaluation.stages[1].false)
    last = evaluation.stages[2]
    assert (last.true, last.false) == (evaluation.pairs.true_positives, evaluation.pairs.false_positives)
    assert evaluation.curve.at(evaluation.best_threshold).f1 >= scored.f1
    likely = evaluation.curve.at(weight_of(CALIBRATION_FLOOR))
    assert evaluation.calibration.count.sum() == likely.true_positives + likely.false_positives
    assert sum(each.records for each in evaluation.unlinkable) == evaluation.records


def test_figures_name_no_record(evaluation, linked):
    text = json.dumps(figures(evaluation))
    assert not any(reference in text for _, reference in linked[0].references)
    told = json.loads(text)
    assert told["pairs"]["recall"] == pytest.approx(evaluation.pairs.recall, abs=1e-6)
    assert [stage["name"] for stage in told["stages"]] == ["blocking", "scoring", "clustering"]
    assert sum(each["pairs"] for each in told["errors"] if each["missed"]) == evaluation.pairs.false_negatives


# -- page ------------------------------------------------------------------------------------------------------------


def test_the_page_nests_and_asks_for_nothing_else(html):
    reader = read(html)
    for element, name, value in reader.attributes:
        assert name not in {"src", "srcset", "action", "formaction"} and not name.startswith("on")
        if name == "href":
            assert value == "data:," or value.startswith("#"), element
    assert not re.search(r"https?:|//|@import|url\(", html.replace("://", "//"))
    policy = next(value for _, name, value in reader.attributes if name == "content" and "default-src" in value)
    assert policy.startswith("default-src 'none'")
    ids = [value for _, name, value in reader.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value[1:] for _, name, value in reader.attributes if name == "href" and value[0] == "#"} <= set(ids)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.8, 1.0, [0.8, 0.85, 0.9, 0.95, 1.0]),
        (-15.0, 30.0, [-10.0, 0.0, 10.0, 20.0, 30.0]),
        (0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
    ],
)
def test_scales(low, high, ticks):
    scale = Scale(low, high, 200.0, 100.0)
    assert scale.ticks() == pytest.approx(ticks)
    assert [scale(low), scale((low + high) / 2), scale(high)] == pytest.approx([200, 150, 100])
    assert [scale(low - 1), scale(high + 1)] == [200, 100]


def test_every_chart_is_described(html):
    charts = re.findall(r"<svg [^>]*>", html)
    assert len(charts) >= 5
    assert all('role="img"' in each and re.search(r'aria-label="[^"]{20,}"', each) for each in charts)


def test_the_explorer_has_the_curve(html, evaluation):
    data = json.loads(re.search(r'id="curve">(.*?)</script>', html, re.DOTALL)[1])
    assert data["total"] == evaluation.curve.total_true
    weights = [point[0] for point in data["points"]]
    assert weights == sorted(weights)
    assert weights[data["used"]] == evaluation.thresholds.match_weight
    for weight, right, wrong in data["points"][:: len(weights) // 7]:
        quality = evaluation.curve.at(weight)
        assert (right, wrong) == (quality.true_positives, quality.false_positives)


def test_no_value_of_a_field_is_in_the_page(html, people):
    with people.open() as file:
        rows = list(csv.DictReader(file))
    text = re.sub(r"<style>.*?</style>|<script>.*?</script>", "", html, flags=re.DOTALL).casefold()
    words = set(re.findall(r"\w+", text))
    assert "pol" in words
    for row in rows:
        assert not set(re.findall(r"\w{6,}", row["surname"].casefold())) & words
        for name in ("address", "nhs_number", "dob", "postcode"):
            assert not row[name] or len(row[name]) < 6 or row[name].casefold() not in text


def test_names_from_files_are_never_markup(evaluation):
    evil = '<script>alert("x")</script>&\'"'
    quality = next(iter(evaluation.by_agencies.values()))
    example = replace(evaluation.examples[0], left=(evil, evil))
    error = evaluation.errors[-1]
    error = replace(error, examples=(replace(error.examples[0], right=(evil, evil)),))
    made = replace(
        evaluation,
        agencies=(evil, "b"),
        by_agencies={evil: quality},
        by_group={evil: {evil: quality}},
        unlinkable=(replace(evaluation.unlinkable[0], agency=evil),),
        examples=(example,),
        errors=(error,),
    )
    html = page(made)
    read(html)
    assert "<script>alert" not in html
    assert html.count("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;&#x27;&quot;") >= 8


def test_markup_escapes_what_is_not_markup():
    inner = tag("b", "a < b")
    assert tag("p", inner, "<i>", class_='"', data_x=1.0) == '<p class="&quot;" data-x="1"><b>a &lt; b</b>&lt;i&gt;</p>'
    assert tag("p", id=None) == "<p></p>"


@pytest.mark.parametrize("rows", ["", "1,a,Quixotterby,7\n", "1,a,Lee,7\n1,b,Ray,8\n"], ids=["none", "one", "two"])
def test_a_page_of_next_to_nothing(tmp_path, rows):
    path = tmp_path / "few.csv"
    path.write_text("record_ref,agency,surname,person\n" + rows)
    assert len(link_files([path], UK_PERSON_V1).references) == rows.count("\n")
    found = evaluate_files([path], UK_PERSON_V1, "person")
    read(page(found))
    assert figures(found)["best_threshold"] is None
    assert found.pairs.f1 == 1.0
