"""What tests of several folders ask for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.servers import Deployed


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Deployed]:
    """A matcher that runs in this process, with an empty database; stopped at the end."""
    with Deployed(tmp_path) as made:
        yield made
