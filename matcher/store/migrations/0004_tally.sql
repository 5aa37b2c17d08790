-- Transactions committed so far, for comparing with the tally beside the database.

ALTER TABLE state ADD COLUMN transactions INTEGER NOT NULL DEFAULT 0;
