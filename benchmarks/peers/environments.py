"""Virtual environments of peers whose packages do not go beside ours, made when first asked for.

A peer's script runs there as a process of its own; records and pairs go through files.
"""

import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pandas as pd

from benchmarks.peers.scored import Scored

HERE = Path(__file__).parent
ROOT = Path(sys.prefix) / "peers"
"""Inside our own environment, so that whoever removes that one removes these too."""


def environment(name: str) -> Path:
    """The Python of the peer's environment, as `requirements-NAME.lock` says."""
    lock = HERE / f"requirements-{name}.lock"
    folder = ROOT / name
    python, installed = folder / "bin" / "python", folder / "installed.lock"
    if not installed.exists() or installed.read_bytes() != lock.read_bytes():
        venv.create(folder, clear=True, with_pip=True)
        options = (
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--require-hashes",
        )  # a lock names all it needs
        subprocess.run([python, "-m", "pip", "install", *options, "-r", lock], check=True)
        installed.write_bytes(lock.read_bytes())
    return python


def clean() -> dict[str, str]:
    """What the environment's processes see of ours: the parent's import path is not theirs."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


class Child:
    """A script that waits in an environment, and answers each line with a line of JSON."""

    def __init__(self, name: str, script: str, *arguments: Path) -> None:
        """`name`: the environment's."""
        self._script = script
        self._process = subprocess.Popen(
            [environment(name), HERE / script, *arguments],
            env=clean(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._process:
            if self._process.stdin:
                self._process.stdin.close()

    def ask(self, line: str = "") -> Any:
        """Its answer; `RuntimeError` if it gives none, and it says why on standard error."""
        if not self._process.stdin or not self._process.stdout:
            raise RuntimeError("the child has no pipes")
        print(line, file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self._script} failed")
        return json.loads(answer)


def run(name: str, records: pd.DataFrame, options: dict[str, Any], timeout: float) -> tuple[Scored, dict[str, Any]]:
    """Run `NAME_child.py RECORDS OPTIONS PAIRS` in the environment; return pairs, and what it told: a line of JSON with
    `versions` at least.

    RECORDS is a CSV file with a column `record`, the row's number, and empty fields where a value is missing; OPTIONS
    is JSON; PAIRS is to be a CSV file with the columns left, right, score. `timeout` is in seconds;
    `subprocess.TimeoutExpired` after that, and `RuntimeError` with what the script said if it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        held, wanted, found = (Path(folder) / each for each in ("records.csv", "options.json", "pairs.csv"))
        records.to_csv(held, index_label="record")
        wanted.write_text(json.dumps(options))
        command = [environment(name), HERE / f"{name}_child.py", held, wanted, found]
        done = subprocess.run(command, check=False, timeout=timeout, env=clean(), capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{name} failed:\n{done.stderr}")
        pairs = pd.read_csv(found)
    left, right = pairs["left"].to_numpy(np.int64), pairs["right"].to_numpy(np.int64)
    return Scored(left, right, pairs["score"].to_numpy(np.float64)), json.loads(done.stdout.splitlines()[-1])
