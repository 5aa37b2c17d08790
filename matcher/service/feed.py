"""FeedService: what an agency may call. Nothing here looks at what other agencies hold."""

import hashlib
import time
from collections.abc import Iterator

import grpc

from matcher.config import ServerConfig
from matcher.errors import InvalidArgumentError, NumbersUsedUpError
from matcher.frame import pack_aliases, pack_records
from matcher.model import DAY_SECONDS, FrameKind, TokenBatch
from matcher.service.identity import Directory
from matcher.service.matching import Matching
from matcher.service.quotas import Quotas
from matcher.v1 import feed_service_pb2 as pb
from matcher.v1.feed_service_pb2_grpc import FeedServiceServicer
from matcher.v1.records_pb2 import RecordBatch
from matcher.wire import Limits, checked_id, checked_name, read_aliases, read_batch, read_days, scheme_message

MOST_CONFIRMED = 1000
_PAGE = 100
_NOTICE_SECONDS = 1.0
_MOST_NUMBERED = 2_000_000_000
"""Numbers of records given, from which on no more records are taken. Of `MOST_NUMBERS`, 147 million are left for those
that wait to be matched then: matching that runs out of them could not go on."""


class FeedServicer(FeedServiceServicer):
    """See the contract."""

    def __init__(self, config: ServerConfig, directory: Directory, matching: Matching) -> None:
        self._config = config
        self._directory = directory
        self._matching = matching
        self._store = matching.store
        self._quotas = Quotas(config)

    def GetScheme(self, request: pb.GetSchemeRequest, context: grpc.ServicerContext) -> pb.GetSchemeResponse:
        """See the contract."""
        return pb.GetSchemeResponse(
            scheme=scheme_message(self._config.scheme),
            epoch=self._config.epoch,
            key_check=self._config.key_check,
            max_batch_records=self._config.max_batch_records,
            agency=self._agency(context),
        )

    def OpenFeed(self, request: pb.OpenFeedRequest, context: grpc.ServicerContext) -> pb.OpenFeedResponse:
        """See the contract."""
        feed_id = checked_name(request.feed_id, "feed_id")
        return pb.OpenFeedResponse(next_offset=self._store.next_offset(self._agency(context), feed_id))

    def AppendRecords(
        self, request_iterator: Iterator[pb.AppendRecordsRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.AppendRecordsResponse]:
        """See the contract."""
        agency = self._agency(context)
        for request in request_iterator:
            feed_id = checked_name(request.feed_id, "feed_id")
            batch, payload = self._records(agency, request.batch)
            self._matching.wait_for_room(agency)
            next_offset = self._store.append(
                agency,
                feed_id,
                request.batch.first_offset,
                batch.record_count,
                batch.epoch,
                payload,
                int(time.time()),
                request.backfill,
            )
            self._matching.committed(agency)
            yield pb.AppendRecordsResponse(next_offset=next_offset)

    def SubmitRecords(
        self, request: pb.SubmitRecordsRequest, context: grpc.ServicerContext
    ) -> pb.SubmitRecordsResponse:
        """See the contract."""
        _, payload = self._records(self._agency(context), request.batch)
        self._submit(context, request, FrameKind.RECORDS, payload)
        return pb.SubmitRecordsResponse()

    def ReportContacts(
        self, request: pb.ReportContactsRequest, context: grpc.ServicerContext
    ) -> pb.ReportContactsResponse:
        """See the contract."""
        aliases = read_aliases(request.aliases, self._limits())
        days = read_days(request.observed_days, len(aliases), self._limits())
        payload = pack_aliases(FrameKind.CONTACTS, aliases, days)
        self._quotas.charge(self._agency(context), len(aliases), len(payload))
        self._submit(context, request, FrameKind.CONTACTS, payload)
        return pb.ReportContactsResponse()

    def RemoveRecords(
        self, request: pb.RemoveRecordsRequest, context: grpc.ServicerContext
    ) -> pb.RemoveRecordsResponse:
        """See the contract."""
        aliases = read_aliases(request.aliases, self._limits())
        payload = pack_aliases(FrameKind.REMOVALS, aliases)
        self._quotas.charge(self._agency(context), len(aliases), len(payload))
        self._submit(context, request, FrameKind.REMOVALS, payload)
        return pb.RemoveRecordsResponse()

    def WatchRemovals(
        self, request: pb.WatchRemovalsRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.WatchRemovalsResponse]:
        """See the contract."""
        agency = self._agency(context)
        number = 0
        while context.is_active() and not self._matching.stopping:
            for notice in (page := self._store.notices_after(agency, number, _PAGE)):
                yield pb.WatchRemovalsResponse(
                    notice_id=notice.notice_id, alias=notice.alias, closed_at=notice.closed_at
                )
                number = notice.number
            if len(page) < _PAGE:
                # by the clock and by nothing else: what happens at the matcher must not be seen in when this looks
                self._matching.pause(_NOTICE_SECONDS)

    def ConfirmRemoval(
        self, request: pb.ConfirmRemovalRequest, context: grpc.ServicerContext
    ) -> pb.ConfirmRemovalResponse:
        """See the contract."""
        if not 0 < len(request.notice_ids) <= MOST_CONFIRMED:
            raise InvalidArgumentError("notice_ids", f"must name 1 to {MOST_CONFIRMED} notices")
        notice_ids = [checked_id(notice_id, "each of notice_ids") for notice_id in request.notice_ids]
        self._store.confirm_removals(self._agency(context), notice_ids)
        return pb.ConfirmRemovalResponse()

    def _records(self, agency: str, message: RecordBatch) -> tuple[TokenBatch, bytes]:
        """Records that an agency sends, and what is stored of them; they are counted as sent."""
        if self._store.next_record >= _MOST_NUMBERED:
            raise NumbersUsedUpError(f"{_MOST_NUMBERED} records were numbered, and no more are taken")
        batch = read_batch(message, self._config.scheme, self._limits())
        payload = pack_records(batch)
        self._quotas.charge(agency, batch.record_count, len(payload), batch)
        return batch, payload

    def _submit(
        self,
        context: grpc.ServicerContext,
        request: pb.SubmitRecordsRequest | pb.ReportContactsRequest | pb.RemoveRecordsRequest,
        kind: FrameKind,
        payload: bytes,
    ) -> None:
        request_id = checked_name(request.request_id, "request_id")
        content = hashlib.sha256(bytes([kind]) + payload).digest()
        self._store.submit(
            self._agency(context), request_id, kind, self._config.epoch, payload, content, int(time.time())
        )
        self._matching.committed()

    def _agency(self, context: grpc.ServicerContext) -> str:
        return self._directory.identify(context).name

    def _limits(self) -> Limits:
        return Limits(self._config.epoch, self._config.max_batch_records, int(time.time()) // DAY_SECONDS)
