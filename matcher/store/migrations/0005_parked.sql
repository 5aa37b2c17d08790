-- Alerts that a consumer could not handle and put aside.

CREATE TABLE parked (
    consumer TEXT NOT NULL,
    sequence INTEGER NOT NULL REFERENCES alert,
    PRIMARY KEY (consumer, sequence)
) STRICT, WITHOUT ROWID;
