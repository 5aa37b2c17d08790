"""The chart shows what `scale` measured, and says it to whoever cannot see it."""

from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from benchmarks import scale
from benchmarks.__main__ import main
from benchmarks.chart import LogScale

SVG = "{http://www.w3.org/2000/svg}"


def throughput(records, seed):
    """As a run of so many records would measure, more or less."""
    return {
        "records": records,
        "seed": seed,
        "append_and_match_records_per_second": 5_000_000 // records,
        "server_cpu_microseconds_per_record": 10.5,
        "client_cpu_microseconds_per_record": 2.5,
        "resident_bytes_per_record": 2500,
        "stored_bytes_per_record": 1100,
        "all_served_seconds_after_kill": 1.0,
        "candidates_per_record": 1.5,
        "known_to_two_precision": 0.99,
        "known_to_two_recall": 0.95,
    }


def test_the_command_draws_what_scale_wrote(tmp_path, monkeypatch):
    monkeypatch.setattr(scale, "measured", throughput)
    figures, drawn = tmp_path / "figures.json", tmp_path / "chart.svg"
    measure = ["scale", "--records", "200", "--records", "800", "--seed", "3", "--json", str(figures)]
    for command in (measure, ["chart", str(figures), "--out", str(drawn)]):
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 0, result.output
    tree = ElementTree.parse(drawn).getroot()
    assert len(list(tree.iter(f"{SVG}circle"))) == 2 * 5
    assert "appended and matched, cost of a record: 40 at 200, 160 at 800" in tree.get("aria-label")
    cost = [[float(each.get(name)) for name in ("cx", "cy")] for each in tree.iter(f"{SVG}circle")][:2]
    assert cost[0][0] < cost[1][0]
    assert cost[0][1] > cost[1][1]
    assert any(text.text == "200" for text in tree.iter(f"{SVG}text"))
    assert "seed 3" in "".join(tree.itertext())


def test_other_figures_are_refused(tmp_path):
    (tmp_path / "other.json").write_text('{"records": 1}')
    result = CliRunner().invoke(main, ["chart", str(tmp_path / "other.json"), "--out", str(tmp_path / "x.svg")])
    assert result.exit_code == 1
    assert "is not what `scale --json` writes" in result.output
    assert not (tmp_path / "x.svg").exists()


def test_logarithmic_scales():
    places = LogScale(3.0, 3000.0, 100.0, 400.0)
    assert places.ticks() == pytest.approx([5, 10, 20, 50, 100, 200, 500, 1000, 2000])
    assert [places(each) for each in (3, 30, 300, 3000)] == pytest.approx([100, 200, 300, 400])
    assert [places(1), places(9999)] == [100, 400]
