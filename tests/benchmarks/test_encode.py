"""What the command measures and writes; the peer is played by a stand-in, since its environment is not made here."""

import json
import sys
from typing import Self

import pytest
from click.testing import CliRunner

from benchmarks import encode
from benchmarks.__main__ import main
from benchmarks.datasets import population
from benchmarks.peers import clk_peer, environments, records


class StandIn:
    """Encodes nothing, in a second."""

    def __init__(self, frame, batch):
        assert len(frame) == 300
        assert batch == 2000

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        pass

    def seconds(self):
        return 1.0, {"clkhash": "0"}


def test_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(clk_peer, "Encoder", StandIn)
    options = ["--records", "300", "--file-records", "700", "--repeats", "2", "--seed", "3"]
    result = CliRunner().invoke(main, ["encode", *options, "--json", str(tmp_path / "figures.json")])
    assert result.exit_code == 0, result.output
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["clkhash_records_per_second"] == 300
    assert figures["times_clkhash"] == pytest.approx(figures["tokenise_records_per_second"] / 300, rel=0.5)
    assert {"commit", "cores", "versions", "peers", "seed"} <= set(figures)
    assert figures["file"]["records"] == 700
    assert figures["file"]["1_processes"]["most_memory_mib"] > 0


def test_the_peer_encodes_what_the_quality_benchmark_gives_it():
    frame = records.clean(population(300, 7, 1.0))
    fields, held = clk_peer.encodable(frame)
    assert [field[0] for field in fields] == ["name", "birth_date", "sex", "postcode", "address", "identifier"]
    assert list(held.columns) == [field[0] for field in fields]
    assert len(held) == 300
    assert (environments.HERE / "clk_encode_child.py").is_file()


def test_a_file_has_as_many_references_as_records(tmp_path, monkeypatch):
    monkeypatch.setattr(encode, "_DISTINCT", 100)
    encode._write(tmp_path / "people.csv", 250, 1)
    header, *lines = (tmp_path / "people.csv").read_text().splitlines()
    assert header.startswith("record_ref,forename")
    assert [line.partition(",")[0] for line in lines] == [f"R{row}" for row in range(250)]


def test_memory_is_that_of_all_processes():
    held = "held = bytearray(64 << 20); import time; time.sleep(1)"
    both = f"import subprocess, sys; other = subprocess.Popen([sys.executable, '-c', {held!r}]); {held}; other.wait()"
    assert encode.command([sys.executable, "-c", both]).most_bytes > 128 << 20


def test_a_command_that_fails_is_told_of():
    with pytest.raises(RuntimeError, match="no such thing"):
        encode.command([sys.executable, "-c", "raise SystemExit('no such thing')"])
