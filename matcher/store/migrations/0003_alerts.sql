-- Alerts hold no secrets any more: what was copied into them is wiped with the old tables (secure_delete). Links and alerts
-- have no indices on records and persons any more: `lookup.py` says why.

ALTER TABLE alert RENAME TO old_alert;

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

INSERT INTO alert
SELECT sequence, alert_id, kind, person_id, agencies,
    (
        SELECT json_group_array(json_array(record, agency, observed_day) ORDER BY position)
        FROM alert_member WHERE alert_member.sequence = old_alert.sequence
    ),
    confidence, health_present, police_present, surviving_person_id, rule_version, raised_at, backfill
FROM old_alert ORDER BY sequence;

DROP TABLE alert_member;

DROP TABLE old_alert;

ALTER TABLE link RENAME TO old_link;

-- Of several links of one pair the last counts.
CREATE TABLE link (
    id INTEGER PRIMARY KEY,
    "left" INTEGER NOT NULL,
    "right" INTEGER NOT NULL CHECK ("left" < "right"),
    weight REAL NOT NULL
) STRICT;

INSERT INTO link ("left", "right", weight) SELECT "left", "right", weight FROM old_link ORDER BY "right", "left";

DROP TABLE old_link;
