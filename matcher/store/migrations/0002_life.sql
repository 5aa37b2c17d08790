-- Days that begin, contacts, reviews of cases, and first loads.

ALTER TABLE state ADD COLUMN today INTEGER NOT NULL DEFAULT 0;

ALTER TABLE frame ADD COLUMN backfill INTEGER NOT NULL DEFAULT 0;

ALTER TABLE alert ADD COLUMN backfill INTEGER NOT NULL DEFAULT 0;

ALTER TABLE "case" ADD COLUMN reviewed_day INTEGER NOT NULL DEFAULT 0;

ALTER TABLE "case" ADD COLUMN escalated INTEGER NOT NULL DEFAULT 0;

UPDATE "case" SET reviewed_day = opened_at / 86400;

-- Days on which a record's person was met, other than the observed day in the record's frame.
CREATE TABLE contact (
    record INTEGER NOT NULL,
    day INTEGER NOT NULL,
    PRIMARY KEY (record, day)
) STRICT, WITHOUT ROWID;

CREATE INDEX contact_day ON contact (day);
