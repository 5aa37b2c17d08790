"""`python -m tests.fuzz`: fuzzes every decoder with atheris, guided by what it covers; ends with 1 if one fails.

Each target has a process of its own, since libFuzzer ends the one it runs in. A failing input stays in the folder.
"""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click


@click.command()
@click.option("--seconds", default=60, show_default=True, help="For each target.")
@click.option("--target", "chosen", multiple=True, help="Only this one; may be given several times.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("fuzz-run"), show_default=True)
@click.option("--here", is_flag=True, hidden=True, help="Fuzz the one target in this process.")
def main(seconds: int, chosen: tuple[str, ...], folder: Path, here: bool) -> None:
    """Fuzz."""
    if here:
        _fuzz(chosen[0], seconds, folder)
        return
    from tests.fuzz.targets import TARGETS

    failed = []
    for name in chosen or TARGETS:
        command = [sys.executable, "-m", "tests.fuzz", "--here", "--target", name]
        ended = subprocess.run([*command, "--seconds", str(seconds), "--folder", str(folder)], check=False)
        if ended.returncode:
            failed.append(name)
    click.echo(f"{len(chosen or TARGETS)} targets, {len(failed)} failed{': ' if failed else ''}{', '.join(failed)}")
    if failed:
        sys.exit(1)


def _fuzz(name: str, seconds: int, folder: Path) -> None:
    try:
        import atheris
    except ImportError:
        raise click.ClickException("atheris is not installed: `make fuzz` installs it") from None
    for kernels in ("agency", "blocking", "scoring"):  # compiled: what is instrumented does not compile
        import_module(f"matcher.{kernels}.kernels")
    with atheris.instrument_imports(include=["matcher", "tomllib", "json"], enable_loader_override=False):
        from tests.fuzz.targets import TARGETS
    corpus = folder / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(TARGETS[name].seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
    limits = [
        f"-max_total_time={seconds}",
        "-max_len=65536",
        "-timeout=20",
        "-rss_limit_mb=4096",
        "-print_final_stats=1",
    ]
    atheris.Setup([name, *limits, f"-artifact_prefix={corpus}/", str(corpus)], TARGETS[name].decode)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
