"""The agency's side of the wire: checks the treaty, then sends token records and nothing else."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import grpc
import numpy as np

from matcher.errors import SchemeMismatchError, UnknownEpochError, WrongAgencyError, WrongKeyError
from matcher.rpc import Client, refusals
from matcher.scheme import LinkageScheme
from matcher.v1 import feed_service_pb2 as pb
from matcher.v1.feed_service_pb2_grpc import FeedServiceStub
from matcher.v1.records_pb2 import RecordBatch


@dataclass(frozen=True, slots=True)
class Removal:
    """A notice that a profile is to be deleted."""

    notice_id: bytes
    alias: bytes
    closed_at: int


class FeedClient(Client):
    """Calls of one agency over one channel. A refused call raises `RemoteError`."""

    def __init__(self, channel: grpc.Channel) -> None:
        super().__init__(channel)
        self._stub = FeedServiceStub(channel)

    def check_name(self, agency: str) -> pb.GetSchemeResponse:
        """Compare an agency's name with that of its certificate at the matcher before anything is sent; what the
        matcher goes by. `WrongAgencyError`."""
        with refusals():
            answer = self._stub.GetScheme(pb.GetSchemeRequest())
        if answer.agency != agency:
            raise WrongAgencyError(f"this certificate is that of {answer.agency}; the configuration says {agency}")
        return answer

    def check(self, agency: str, scheme: LinkageScheme, epoch: int, key_check: bytes) -> int:
        """Compare name, scheme, epoch and key with the matcher's before anything is sent; the most records a batch may
        have.

        `WrongAgencyError`, `SchemeMismatchError`, `UnknownEpochError`, `WrongKeyError`.
        """
        answer = self.check_name(agency)
        if answer.scheme.digest != scheme.digest:
            raise SchemeMismatchError(f"the matcher uses another scheme than {scheme.name}, or another version of it")
        if answer.epoch != epoch:
            raise UnknownEpochError(f"the matcher is at epoch {answer.epoch}, this agency at {epoch}")
        if answer.key_check != key_check:
            raise WrongKeyError("the linkage key does not give the known answer")
        return answer.max_batch_records

    def next_offset(self, feed_id: str) -> int:
        """Where a feed resumes."""
        with refusals():
            return self._stub.OpenFeed(pb.OpenFeedRequest(feed_id=feed_id)).next_offset

    def append(self, feed_id: str, batches: Iterable[RecordBatch], *, backfill: bool = False) -> Iterator[int]:
        """Stream batches; after each one is committed, the offset before which everything is. `backfill`: alerts they
        lead to are marked as those of a first load."""
        failure: list[BaseException] = []

        def requests() -> Iterator[pb.AppendRecordsRequest]:
            # gRPC iterates in a thread of its own and would swallow what goes wrong here
            try:
                for batch in batches:
                    yield pb.AppendRecordsRequest(feed_id=feed_id, batch=batch, backfill=backfill)
            except BaseException as error:
                failure.append(error)

        with refusals():
            for answer in self._stub.AppendRecords(requests()):
                yield answer.next_offset
        if failure:
            raise failure[0]

    def submit(self, request_id: str, batch: RecordBatch) -> None:
        """Submit one batch outside any feed."""
        with refusals():
            self._stub.SubmitRecords(pb.SubmitRecordsRequest(request_id=request_id, batch=batch))

    def report_contacts(self, request_id: str, aliases: list[bytes], days: list[int]) -> None:
        """Report that persons were met again, on days counted from 1970-01-01."""
        observed_days = np.array(days, "<i4").tobytes()
        with refusals():
            self._stub.ReportContacts(
                pb.ReportContactsRequest(request_id=request_id, aliases=b"".join(aliases), observed_days=observed_days)
            )

    def remove(self, request_id: str, aliases: list[bytes]) -> None:
        """Remove records for good."""
        with refusals():
            self._stub.RemoveRecords(pb.RemoveRecordsRequest(request_id=request_id, aliases=b"".join(aliases)))

    def removals(self) -> Iterator[Removal]:
        """Removal notices: the unconfirmed ones, then new ones as they come."""
        with refusals():
            for notice in self._stub.WatchRemovals(pb.WatchRemovalsRequest()):
                yield Removal(notice.notice_id, notice.alias, notice.closed_at)

    def confirm(self, notice_ids: list[bytes]) -> None:
        """Confirm that profiles were deleted."""
        with refusals():
            self._stub.ConfirmRemoval(pb.ConfirmRemovalRequest(notice_ids=notice_ids))
