"""What figures depend on besides the code, and how they are reported."""

import json
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click


def machine() -> dict[str, Any]:
    """What figures depend on besides the code."""
    revision = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout
    changed = subprocess.run(["git", "status", "--porcelain"], capture_output=True, text=True, check=False).stdout
    return {
        "commit": revision.strip() + ("+changes" if changed else ""),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "versions": {name: version(name) for name in ("grpcio", "numba", "numpy", "apsw-sqlite3mc", "cryptography")},
    }


def report(figures: dict[str, Any], json_path: Path | None) -> None:
    """Print figures, and write them to a file if one is named."""
    for name, value in figures.items():
        click.echo(f"{name}: {value}")
    write(figures, json_path)


def write(figures: dict[str, Any], json_path: Path | None) -> None:
    """Write figures to a file if one is named; its folder is made."""
    if json_path:
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(figures, indent=1) + "\n")
