"""The README's walk on one machine, as a reader pastes it: from the keys to a closed case."""

import re
import socket
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text()
BLOCK = re.compile(r"^```(toml|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ADDRESS = "127.0.0.1:7443"
NOT_PASTED = ("export ", "mkdir ", "kill ")
"""The folder is made by the test, which ends the matcher itself."""


def test_the_walk_on_one_machine_leads_from_the_keys_to_a_closed_case(tmp_path: Path) -> None:
    walk = Walk(tmp_path)
    try:
        for kind, block in BLOCK.findall(README.split("## Try it on one machine\n")[1].split("\n## ")[0]):
            if kind == "toml":
                walk.write(block)
            else:
                walk.paste(block)
    finally:
        walk.end()
    assert walk.shown[-1].startswith("entries 1 to ")
    assert not (tmp_path / "matcher.db-wal").exists()  # it was stopped cleanly


class Walk:
    """Files and commands of a reader, in a folder; what was printed so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shown: list[str] = []
        self.server: subprocess.Popen[str] | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        (folder / "matcher").write_text(
            f'#!/bin/sh\nexec {sys.executable} -c "from matcher.cli import main; main(prog_name=\'matcher\')" "$@"\n'
        )
        (folder / "matcher").chmod(0o755)

    def write(self, block: str) -> None:
        """A file, named in its first line, with what was printed in place of what the README shows."""
        name = re.match(r"# ([\w.-]+)", block)[1]  # type: ignore[index]
        block = re.sub(r'^key_check = ".*"$', self.shown[0].strip(), block, flags=re.MULTILINE)
        (self.folder / name).write_text(block.replace(ADDRESS, self.address))

    def paste(self, block: str) -> None:
        """Commands, each of which must print the lines shown below it."""
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, *expected = part.splitlines()
            if not line.startswith(NOT_PASTED):
                self.run(line)
                for each in expected:
                    assert re.search(self.pattern(each), self.shown[-1], re.MULTILINE), f"{line}: {self.shown[-1]}"

    def run(self, line: str) -> None:
        for name, found in (
            ("PERSON_ID", r"KNOWN_TO_TWO person ([0-9a-f]{32}) "),
            ("CASE_ID", r"^([0-9a-f]{32})$"),
        ):
            if name in line:
                line = line.replace(name, re.findall(found, "\n".join(self.shown), re.MULTILINE)[0])
        command = ["sh", "-c", f'PATH="{self.folder}:$PATH"; {"exec " * line.endswith("&")}{line.removesuffix("&")}']
        if line.endswith("&"):
            self.server = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, text=True)
            self.shown.append(self.server.stdout.readline())  # type: ignore[union-attr]
        else:
            done = subprocess.run(command, check=False, cwd=self.folder, capture_output=True, text=True)
            assert done.returncode == 0, f"{line}: {done.stderr}"
            self.shown.append(done.stdout)

    def pattern(self, shown: str) -> str:
        """A line of the README: names, days, the port and what stands for more are others each time."""
        shown = re.escape(shown.replace(ADDRESS, self.address))
        shown = re.sub(r"[0-9a-f]{4}\\\.\\\.\\\.|[0-9a-f]{32}", "[0-9a-f]{32}", shown)
        return "^" + re.sub(r"[0-9]{4}\\-[0-9]{2}\\-[0-9]{2}", "[0-9-]{10}", shown) + "$"

    def end(self) -> None:
        """Stop the matcher."""
        if self.server:
            self.server.terminate()
            self.server.communicate(timeout=20)
