"""The one exception tree. A class's docstring is the advice shown to whoever has to act on it.

No message may hold a token, a key or a field value: it names a place (row, column, option) and a reason.
`REASON` is the matching value of `matcher.v1.ErrorReason`; `matcher/service/status.py` turns it into a status.
"""

from typing import ClassVar


class MatcherError(Exception):
    """Something is wrong that you can put right; the message says what and where."""

    REASON: ClassVar[str] = "ERROR_REASON_INTERNAL"

    def advice(self) -> str:
        """What the operator should do next: the first paragraph of the class's docstring."""
        return _advice_of(type(self))

    def details(self) -> dict[str, str]:
        """The ErrorInfo's metadata: numbers and names of columns or fields, never a value."""
        return {}


def _advice_of(kind: type[MatcherError]) -> str:
    return " ".join((kind.__doc__ or "").split("\n\n")[0].split())


# -- what an operator configures --------------------------------------------------------------------------------


class ConfigError(MatcherError):
    """Correct every problem listed, then start again: nothing was started."""

    def __init__(self, source: str, problems: list[str]) -> None:
        self.problems = problems
        super().__init__(f"{source}: " + "; ".join(problems))


class KeyFileError(MatcherError):
    """Give the key file to its owner alone (chmod 600), or make a new one with `matcher keygen`."""


class KeyExistsError(KeyFileError):
    """Use the file that is there, or give another path: no key is overwritten, since nobody could make it again."""


class ModelFileError(MatcherError):
    """Use the shipped model, or a model file made for the scheme in use and not changed since."""


class CalibrationFileError(MatcherError):
    """Make the file anew with `matcher calibrate`, with the scheme in use; never change it."""


class TrainingError(MatcherError):
    """Train again once the agencies hold more records of the same people; until then keep the model in use."""


# -- what an agency sends ---------------------------------------------------------------------------------------


class InputFileError(MatcherError):
    """Correct the file or the column map; `matcher validate FILE` lists what it finds."""


class NoColumnError(InputFileError):
    """Name a column as it stands in the file's header."""


class DoubtfulHeaderError(InputFileError):
    """Rename the header to restricted, or map it under [columns] (`restricted = "its header"`). If it says something
    else, map restricted to the column that is meant, give it a name unlike restricted, or leave it out."""


class ReferencesFileError(InputFileError):
    """Write one record reference a line, without a header or other columns, in UTF-8."""


class NoticesFileError(InputFileError):
    """Save what `matcher feed removals` shows in a new file (`--out`), and confirm with that file; change nothing in it
    but to take out the lines of profiles that are not deleted."""


class WorkerError(MatcherError):
    """Run the command again, with fewer processes (`--jobs`) if memory ran out: nothing is lost."""


class BatchError(MatcherError):
    """The batch was refused whole and nothing of it was stored; correct it and send it again."""


class _ColumnError(BatchError):
    """One column of the batch is wrong; correct it and send the batch again."""

    def __init__(self, column: str, problem: str) -> None:
        self.column = column
        super().__init__(f"{column} {problem}")

    def details(self) -> dict[str, str]:
        return {"column": self.column}


class WrongStrideError(_ColumnError):
    """A column's length is not its record count times its width; build the batch for the scheme GetScheme returns."""

    REASON = "ERROR_REASON_WRONG_STRIDE"


class BadTokenError(_ColumnError):
    """A block token that is marked present is all zeros; check the tokeniser against the published test vectors."""

    REASON = "ERROR_REASON_BAD_TOKEN"


class FloodingTokenError(BatchError):
    """One block token stands on too many rows of one batch; look for a placeholder value in the file."""

    REASON = "ERROR_REASON_FLOODING_TOKEN"


class DuplicateAliasError(BatchError):
    """One alias names two records of one batch; put all variants of a record under one record."""

    REASON = "ERROR_REASON_DUPLICATE_ALIAS"


class BadDayError(BatchError):
    """An observed day lies outside 1900-01-01 to tomorrow; check how the file writes dates."""

    REASON = "ERROR_REASON_BAD_DAY"


class OversizeBatchError(BatchError):
    """Send fewer records in a batch: GetScheme tells the most that are taken."""

    REASON = "ERROR_REASON_OVERSIZE_BATCH"


class SchemeMismatchError(BatchError):
    """Fetch the scheme again (GetScheme) and tokenise with the version the matcher uses."""

    REASON = "ERROR_REASON_SCHEME_MISMATCH"


class UnknownEpochError(BatchError):
    """Tokenise with the linkage key of the epoch GetScheme returns."""

    REASON = "ERROR_REASON_UNKNOWN_EPOCH"


class _OffsetError(BatchError):
    """Resume at the offset named in the reply."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        super().__init__(f"the feed is committed through offset {expected}; resume there")

    def details(self) -> dict[str, str]:
        return {"resume_offset": str(self.expected)}


class OffsetGapError(_OffsetError):
    """Send from the offset named in the reply: records between are missing."""

    REASON = "ERROR_REASON_OFFSET_GAP"


class OffsetCommittedError(_OffsetError):
    """These offsets are stored already; resume at the offset named in the reply."""

    REASON = "ERROR_REASON_OFFSET_COMMITTED"


class RequestReusedError(BatchError):
    """A request_id names one request for ever; use a new one for different content."""

    REASON = "ERROR_REASON_REQUEST_REUSED"


class InvalidArgumentError(MatcherError):
    """Correct the field the message names; the contract states its size and range."""

    REASON = "ERROR_REASON_INVALID_ARGUMENT"

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        super().__init__(f"{field} {problem}")

    def details(self) -> dict[str, str]:
        return {"field": self.field}


# -- who may do what --------------------------------------------------------------------------------------------


class PermissionDeniedError(MatcherError):
    """This certificate may not do this; ask the operator which role the caller should have."""

    REASON = "ERROR_REASON_PERMISSION_DENIED"


class UnknownMethodError(MatcherError):
    """Use a client of the version that this matcher has; its contract has no such method."""

    REASON = "ERROR_REASON_UNKNOWN_METHOD"


class UnknownCallerError(MatcherError):
    """The certificate's URI name is not in the matcher's configuration; ask the operator to add or renew it."""

    REASON = "ERROR_REASON_UNKNOWN_CALLER"


class QuotaExceededError(MatcherError):
    """Nothing of this call was stored: send it tomorrow (UTC), close a stream, or ask for a higher quota."""

    REASON = "ERROR_REASON_QUOTA_EXCEEDED"

    def __init__(self, quota: str, limit: int, used_up: str) -> None:
        self.quota, self.limit = quota, limit
        super().__init__(f"{used_up} ({quota} is {limit})")

    def details(self) -> dict[str, str]:
        return {"quota": self.quota, "limit": str(self.limit)}


# -- what a coordinator asks ------------------------------------------------------------------------------------


class NotFoundError(MatcherError):
    """There is no such alert, case or possible match (any more); list the current ones."""

    REASON = "ERROR_REASON_NOT_FOUND"


class AcknowledgeAheadError(MatcherError):
    """Name only what was received: the log does not reach that sequence; was an older backup restored?"""

    REASON = "ERROR_REASON_ACKNOWLEDGE_AHEAD"


class ConsumerFencedError(MatcherError):
    """A newer connection of the same consumer took over; stop this one, or give it a name of its own."""

    REASON = "ERROR_REASON_CONSUMER_FENCED"


class GreenAndBlueRequiredError(MatcherError):
    """A decision needs a health and a police participant present; record it when both were there."""

    REASON = "ERROR_REASON_GREEN_AND_BLUE_REQUIRED"


class CaseStateError(MatcherError):
    """The case is not in a state that allows this; GetCase tells its state."""

    REASON = "ERROR_REASON_CASE_STATE"


# -- what the machine does --------------------------------------------------------------------------------------


class StoreFullError(MatcherError):
    """The disk is full: free space and send again. Everything acknowledged is kept."""

    REASON = "ERROR_REASON_STORE_FULL"


class NumbersUsedUpError(MatcherError):
    """This database takes no more records: tell the operator, who has to begin another."""

    REASON = "ERROR_REASON_NUMBERS_USED_UP"


class StoreError(MatcherError):
    """The database cannot be used; restore a backup, or see docs/operations.md."""

    REASON = "ERROR_REASON_STORE_UNAVAILABLE"


class NothingChangedError(StoreError):
    """Nothing was changed: do what the message says, then run the command again."""


class DatabaseKeyError(StoreError):
    """Configure the key that the file is encrypted with (`database_key`); keys are in docs/operations.md."""


class AddressSpaceError(MatcherError):
    """Let processes reserve address space they may never use: `vm.overcommit_memory` must not be 2, nor may `ulimit -v`
    be set. Memory itself is used only as records come."""


class AuditError(MatcherError):
    """The audit log cannot be written, so nothing is served: free space or put the disk right, and send again."""

    REASON = "ERROR_REASON_AUDIT_UNAVAILABLE"


class AuditProofError(MatcherError):
    """The audit log is not what the matcher wrote: keep it and its head as they are, and see docs/operations.md."""


def for_log(error: Exception) -> str:
    """What a log may say of an error: the reason; its text only where that is of the matcher's own files and memory,
    since another might hold a value; of what is not ours its type."""
    if isinstance(error, StoreError | StoreFullError | AddressSpaceError | AuditError):
        return f"{error.REASON}: {error}"
    return error.REASON if isinstance(error, MatcherError) else type(error).__name__


# -- what a client meets ----------------------------------------------------------------------------------------


class WrongKeyError(MatcherError):
    """The linkage key is not the one the other agencies use: compare key files before sending anything."""


class WrongAgencyError(MatcherError):
    """Use this agency's own certificate, or correct `name` in its configuration: it is part of every alias and seal."""


class SealError(MatcherError):
    """The sealed reference does not open with this key; check which coordinator key the agencies have pinned."""


class RemoteError(MatcherError):
    """Try again later; if it goes on, tell the operator, whose log names the kind of failure."""

    reason: str = ""

    def __init__(self, reason: str, message: str, metadata: dict[str, str]) -> None:
        self.reason = reason
        self.metadata = metadata
        super().__init__(f"{reason}: {message}")

    def advice(self) -> str:
        """That of the reason; where the matcher did not answer, what to look at."""
        if "Hostname Verification Check failed" in str(self):
            return (
                "Set `server_name` to a name in the matcher's certificate, "
                "or have the certificate made with this one (`matcher pki init --host`)."
            )
        if self.reason == "UNAVAILABLE":
            return (
                "The matcher was not reached: is it started, is `matcher` in the configuration its address, "
                "is a certificate expired or another authority's?"
            )
        return _ADVICE.get(self.reason) or super().advice()


_ADVICE = {
    kind.REASON: _advice_of(kind)
    for kind in list(globals().values())
    if isinstance(kind, type) and issubclass(kind, MatcherError) and "REASON" in vars(kind)
    # what these advise is for the operator alone
    if kind not in (MatcherError, StoreError, StoreFullError, AuditError)
}
