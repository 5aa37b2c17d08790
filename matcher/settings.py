"""What matching depends on besides the scorer."""

from dataclasses import KW_ONLY, dataclass

MOST_AGENCIES = 63
"""Agencies of a configuration: sets of them are 64 bits, one of which stands for all others."""


@dataclass(frozen=True, slots=True)
class AgencyInfo:
    """An agency of the configuration."""

    name: str
    sector: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What matching depends on besides the scorer."""

    agencies: tuple[AgencyInfo, ...]
    _: KW_ONLY
    block_cap: int = 1000
    """Most rows of a block that are compared."""
    look_back_days: int = 365
    """A record is active for so long after its person was last met."""
    second_record_margin: float = 5.0
    """Bits by which two records of one agency must match better than two of different ones: an agency holds a person
    twice about once in 32 times that it holds one."""
    escalation_contacts: int = 3
    """Contacts since the last review of an open case that raise an ESCALATION."""
    quiet_seconds: int = 0
    """How long a FURTHER_AGENCY waits after the person's last alert, so that several agencies make one."""
    apart_weight: float = -8.0
    """Bits below which two records that were compared are clearly not one person: odds of 1 to 256."""
    leader_margin: float = 3.0
    """Bits by which a leader must be better (`matcher.clustering.resolve`)."""
