"""One agency's input of one cycle, as a process that may be killed: `python -m benchmarks.crash_feed CONFIG PLAN`.

Prints the offset after each acknowledged batch, and "done" when all of the plan is acknowledged. Run again, it sends
what is missing: batches resume by offset, removals and contacts repeat by request_id.
"""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from matcher.agency.client import FeedClient
from matcher.agency.keys import load_alias_key
from matcher.agency.push import TokenFileSource, push
from matcher.config import AgencyConfig
from matcher.rpc import open_channel

DONE = "done"


@dataclass(frozen=True, slots=True)
class Plan:
    """What an agency sends in a cycle: a token file, then removals and contacts of records by their references."""

    tokens: str
    request: str
    """Begins the request_ids of the plan."""
    removed: list[str]
    met: list[str]
    day: int
    """Day of the contacts, since 1970-01-01."""

    def write(self, path: Path) -> None:
        """Write it for the process."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read it."""
        return cls(**json.loads(path.read_text()))


def send(config: AgencyConfig, plan: Plan) -> None:
    """Send what is missing."""
    key = load_alias_key(config.alias_key, config.name)
    with FeedClient(open_channel(config.matcher, config.tls)) as client:
        push(client, TokenFileSource(Path(plan.tokens)), _say)
        if plan.met:
            days = [plan.day] * len(plan.met)
            client.report_contacts(f"{plan.request}-met", [key.alias(each) for each in plan.met], days)
        if plan.removed:
            client.remove(f"{plan.request}-removed", [key.alias(each) for each in plan.removed])
    _say(DONE)


def _say(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    send(AgencyConfig.load(Path(sys.argv[1])), Plan.read(Path(sys.argv[2])))
