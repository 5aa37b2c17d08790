"""What matching depends on besides the scorer."""

from dataclasses import dataclass

DAY_SECONDS = 86400


@dataclass(frozen=True, slots=True)
class AgencyInfo:
    """An agency of the configuration."""

    name: str
    sector: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What matching depends on besides the scorer."""

    agencies: tuple[AgencyInfo, ...]
    block_cap: int = 1000
    """Most rows of a block that are compared."""
    look_back_days: int = 365
    """A record is active for so long after its person was last met."""
    leader_margin: float = 3.0
    """Bits by which a leader must be better (`matcher.clustering.resolve`)."""
