-- What the migrations add up to, for reading; a test compares the two.

CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    database_id BLOB NOT NULL CHECK (length(database_id) = 16),
    matched_through INTEGER NOT NULL,
    next_record INTEGER NOT NULL,
    today INTEGER NOT NULL DEFAULT 0,
    transactions INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE binding (
    setting TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE agency (
    agency TEXT PRIMARY KEY,
    last_committed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE feed (
    agency TEXT NOT NULL,
    feed_id TEXT NOT NULL,
    next_offset INTEGER NOT NULL CHECK (next_offset > 0),
    PRIMARY KEY (agency, feed_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE request (
    agency TEXT NOT NULL,
    request_id TEXT NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (agency, request_id)
) STRICT, WITHOUT ROWID;

-- `guard` is one page of zeros. SQLite keeps the first page of a row inside the tree, where balancing copies it and
-- secure_delete does not wipe every copy; behind the guard a payload lies on overflow pages, which never move.
CREATE TABLE frame (
    frame_id INTEGER PRIMARY KEY,
    agency TEXT NOT NULL,
    kind INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    committed_at INTEGER NOT NULL,
    guard BLOB NOT NULL,
    payload BLOB NOT NULL,
    backfill INTEGER NOT NULL DEFAULT 0
) STRICT;

-- `numbers`: 64-bit little endian integers.
CREATE TABLE numbering (
    frame_id INTEGER PRIMARY KEY REFERENCES frame,
    numbers BLOB NOT NULL
) STRICT;

-- `pairs`: links found together, as in `packed.py`; of several of one pair the last counts.
CREATE TABLE links (
    id INTEGER PRIMARY KEY,
    pairs BLOB NOT NULL
) STRICT;

CREATE TABLE answer (
    "left" INTEGER NOT NULL,
    "right" INTEGER NOT NULL CHECK ("left" < "right"),
    resolution INTEGER NOT NULL,
    reviewer TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY ("left", "right")
) STRICT, WITHOUT ROWID;

CREATE INDEX answer_right ON answer ("right");

-- What is secret about a member stands in its record's frame alone. Kind 0 is a purged alert: its row stays, empty, so that
-- sequences have no gaps.
CREATE TABLE alert (
    sequence INTEGER PRIMARY KEY,
    alert_id BLOB NOT NULL UNIQUE,
    kind INTEGER NOT NULL,
    person_id BLOB NOT NULL,
    agencies TEXT NOT NULL, -- a JSON array
    members TEXT NOT NULL, -- a JSON array of [record, agency, observed day], in order
    confidence INTEGER NOT NULL,
    health_present INTEGER NOT NULL,
    police_present INTEGER NOT NULL,
    surviving_person_id BLOB NOT NULL,
    rule_version TEXT NOT NULL,
    raised_at INTEGER NOT NULL,
    backfill INTEGER NOT NULL
) STRICT;

CREATE TABLE consumer (
    consumer TEXT PRIMARY KEY,
    mark INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Alerts that a consumer could not handle and put aside.
CREATE TABLE parked (
    consumer TEXT NOT NULL,
    sequence INTEGER NOT NULL REFERENCES alert,
    PRIMARY KEY (consumer, sequence)
) STRICT, WITHOUT ROWID;

-- `person_id` is empty once matching has applied the closure; `closed_at` is 0 while the case is open.
CREATE TABLE "case" (
    case_id BLOB PRIMARY KEY,
    person_id BLOB NOT NULL,
    opened_at INTEGER NOT NULL,
    closed_at INTEGER NOT NULL,
    reviewed_day INTEGER NOT NULL DEFAULT 0,
    escalated INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE INDEX case_person ON "case" (person_id);

CREATE TABLE decision (
    case_id BLOB NOT NULL REFERENCES "case",
    decision_id TEXT NOT NULL,
    PRIMARY KEY (case_id, decision_id)
) STRICT, WITHOUT ROWID;

-- Removal notices not confirmed. The alias stands behind a guard, as a frame's payload does, since it is deleted one day.
CREATE TABLE notice (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    notice_id BLOB NOT NULL UNIQUE,
    case_id BLOB NOT NULL REFERENCES "case",
    agency TEXT NOT NULL,
    closed_at INTEGER NOT NULL,
    guard BLOB NOT NULL,
    alias BLOB NOT NULL
) STRICT;

CREATE INDEX notice_agency ON notice (agency, number);

CREATE INDEX notice_case ON notice (case_id, agency);

-- Records whose person's case was closed: the day, and the frame that closed it.
CREATE TABLE closure (
    record INTEGER PRIMARY KEY,
    day INTEGER NOT NULL,
    frame_id INTEGER NOT NULL
) STRICT;

-- Days on which a record's person was met, other than the observed day in the record's frame.
CREATE TABLE contact (
    record INTEGER NOT NULL,
    day INTEGER NOT NULL,
    PRIMARY KEY (record, day)
) STRICT, WITHOUT ROWID;

CREATE INDEX contact_day ON contact (day);
