-- Every statement the SQLite store runs on its tables, by name; `queries.py` loads them.

-- name: create_state
INSERT INTO state (one, database_id, matched_through, next_record) VALUES (1, ?, 0, 0);

-- name: count_transaction
UPDATE state SET transactions = transactions + 1 RETURNING transactions, next_record,
    (SELECT coalesce(max(frame_id), 0) FROM frame), (SELECT coalesce(max(sequence), 0) FROM alert);

-- name: transactions
SELECT transactions FROM state;

-- name: database_id
SELECT database_id FROM state;

-- name: matched_through
SELECT matched_through FROM state;

-- name: next_record
SELECT next_record FROM state;

-- name: today
SELECT today FROM state;

-- name: advance
UPDATE state SET matched_through = ?, next_record = max(next_record, ?), today = ?;

-- name: bind
INSERT INTO binding VALUES (?, ?) ON CONFLICT DO NOTHING;

-- name: bound_value
SELECT value FROM binding WHERE setting = ?;

-- name: next_offset
SELECT next_offset FROM feed WHERE agency = ? AND feed_id = ?;

-- name: set_next_offset
INSERT INTO feed VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET next_offset = excluded.next_offset;

-- name: request_content
SELECT content FROM request WHERE agency = ? AND request_id = ?;

-- name: add_request
INSERT INTO request VALUES (?, ?, ?);

-- name: append_frame
INSERT INTO frame (agency, kind, epoch, committed_at, guard, payload, backfill)
VALUES (?, ?, ?, ?, zeroblob(4096), ?, ?);

-- name: agency_sent
INSERT INTO agency VALUES (?, ?) ON CONFLICT DO UPDATE SET last_committed_at = excluded.last_committed_at;

-- name: agencies
SELECT agency, last_committed_at FROM agency ORDER BY agency;

-- name: committed_through
SELECT coalesce(max(frame_id), 0) FROM frame;

-- name: frames_after
SELECT frame_id, agency, kind, epoch, payload, committed_at, backfill
FROM frame WHERE frame_id > ? ORDER BY frame_id LIMIT ?;

-- name: record_frames
SELECT epoch, frame_id FROM frame WHERE kind = 1 AND length(payload) > 0 ORDER BY frame_id;

-- name: payload_size
SELECT length(payload) FROM frame WHERE frame_id = ?;

-- name: empty_frame
UPDATE frame SET guard = x'', payload = x'' WHERE frame_id = ?;

-- name: drop_numbers
DELETE FROM numbering WHERE frame_id = ?;

-- name: set_numbers
INSERT INTO numbering SELECT frame_id, ?2 FROM frame WHERE frame_id = ?1 AND kind = 1 AND length(payload) > 0
ON CONFLICT DO UPDATE SET numbers = excluded.numbers;

-- name: matched_frame_after
SELECT frame_id, agency, kind, epoch, payload, committed_at, backfill, numbers
FROM frame JOIN numbering USING (frame_id) WHERE frame_id > ? ORDER BY frame_id LIMIT 1;

-- name: add_links
INSERT INTO links (pairs) VALUES (?);

-- name: drop_links
DELETE FROM links WHERE id = ?;

-- name: links
SELECT pairs FROM links ORDER BY id;

-- name: links_after
SELECT id, pairs FROM links WHERE id > ? ORDER BY id LIMIT ?;

-- name: set_answer
INSERT INTO answer VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
SET resolution = excluded.resolution, reviewer = excluded.reviewer, expires_at = excluded.expires_at;

-- name: drop_answers
DELETE FROM answer WHERE "left" = ?1 OR "right" = ?1;

-- name: answers
SELECT "left", "right", resolution, reviewer, expires_at FROM answer ORDER BY "left", "right";

-- name: last_sequence
SELECT coalesce(max(sequence), 0) FROM alert;

-- name: add_alert
INSERT INTO alert VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: leave_alert
UPDATE alert SET members = (
    SELECT json_group_array(json(value) ORDER BY key) FROM json_each(members) WHERE value ->> 0 <> ?2
)
WHERE sequence = ?1;

-- name: alert_person
SELECT person_id, surviving_person_id FROM alert WHERE sequence = ?;

-- name: alert_rows_after
SELECT sequence, person_id, surviving_person_id, members FROM alert
WHERE sequence > ? AND kind <> 0 ORDER BY sequence LIMIT ?;

-- name: alerts_after
SELECT sequence, alert_id, kind, person_id, agencies, members, confidence, health_present, police_present,
    surviving_person_id, rule_version, raised_at, backfill
FROM alert WHERE sequence > ? AND kind <> 0 ORDER BY sequence LIMIT ?;

-- name: tellings_after
SELECT max(sequence), json_group_array(kind), json_group_array(hex(person_id)), json_group_array(agencies),
    json_group_array(hex(surviving_person_id)), json_group_array(raised_at)
FROM (SELECT * FROM alert WHERE sequence > ? AND kind <> 0 ORDER BY sequence LIMIT ?);

-- name: parked_after
SELECT sequence, alert_id, kind, person_id, agencies, members, confidence, health_present, police_present,
    surviving_person_id, rule_version, raised_at, backfill
FROM alert JOIN parked USING (sequence) WHERE consumer = ? AND sequence > ? AND kind <> 0 ORDER BY sequence LIMIT ?;

-- name: park
INSERT INTO parked SELECT ?, sequence FROM alert WHERE sequence = ? AND kind <> 0 ON CONFLICT DO NOTHING;

-- name: is_parked
SELECT count(*) FROM parked WHERE consumer = ? AND sequence = ?;

-- name: unpark
DELETE FROM parked WHERE consumer = ? AND sequence = ?;

-- name: unpark_purged
DELETE FROM parked WHERE sequence = ?;

-- name: alert_sequence
SELECT sequence FROM alert WHERE alert_id = ? AND kind <> 0;

-- name: end_merge
UPDATE alert SET kind = 5, surviving_person_id = x'' WHERE sequence = ?;

-- name: purge_alert
UPDATE alert SET kind = 0, person_id = x'', agencies = '[]', members = '[]', confidence = 0, health_present = 0,
    police_present = 0, surviving_person_id = x'', rule_version = '', raised_at = 0, backfill = 0
WHERE sequence = ?;

-- name: mark
SELECT mark FROM consumer WHERE consumer = ?;

-- name: set_mark
INSERT INTO consumer VALUES (?, ?) ON CONFLICT DO UPDATE SET mark = excluded.mark;

-- name: person_cases
SELECT case_id, closed_at FROM "case" WHERE person_id = ? ORDER BY closed_at, opened_at, case_id;

-- name: add_case
INSERT INTO "case" (case_id, person_id, opened_at, closed_at, reviewed_day) VALUES (?1, ?2, ?3, 0, max(?3 / 86400, (SELECT today FROM state)));

-- name: case
SELECT person_id, opened_at, closed_at, reviewed_day, escalated,
    (SELECT count(*) FROM decision AS d WHERE d.case_id = c.case_id)
FROM "case" AS c WHERE case_id = ?;

-- name: cases_after
SELECT case_id FROM "case" WHERE case_id > ? ORDER BY case_id LIMIT ?;

-- name: awaiting_removal
SELECT DISTINCT agency FROM notice WHERE case_id = ? ORDER BY agency;

-- name: set_case_closed
UPDATE "case" SET closed_at = ?2 WHERE case_id = ?1;

-- name: reviews
SELECT person_id, max(reviewed_day) FROM "case" WHERE closed_at = 0 AND escalated = 0 GROUP BY person_id;

-- name: set_reviewed
UPDATE "case" SET reviewed_day = max(?2, (SELECT today FROM state)), escalated = 0 WHERE case_id = ?1;

-- name: set_escalated
UPDATE "case" SET escalated = 1 WHERE person_id = ? AND closed_at = 0;

-- name: move_cases
UPDATE "case" SET person_id = ?2 WHERE person_id = ?1;

-- name: forget_person
UPDATE "case" SET person_id = x'' WHERE case_id = ? AND closed_at > 0 AND person_id <> x'';

-- name: add_decision
INSERT INTO decision VALUES (?, ?) ON CONFLICT DO NOTHING;

-- name: drop_decisions
DELETE FROM decision WHERE case_id = ?;

-- name: set_closure
INSERT INTO closure VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET day = excluded.day, frame_id = excluded.frame_id;

-- name: drop_closure
DELETE FROM closure WHERE record = ?;

-- name: closures
SELECT record, day, frame_id FROM closure ORDER BY record;

-- name: add_notice
INSERT INTO notice (notice_id, case_id, agency, closed_at, guard, alias) VALUES (?, ?, ?, ?, zeroblob(4096), ?);

-- name: notices_after
SELECT notice_id, agency, alias, closed_at, number FROM notice WHERE agency = ? AND number > ? ORDER BY number LIMIT ?;

-- name: confirm_notice
DELETE FROM notice WHERE agency = ? AND notice_id = ?;

-- name: drop_notices
DELETE FROM notice WHERE agency = ? AND alias = ?;

-- name: notice_count
SELECT count(*) FROM notice WHERE closed_at < ?;

-- name: add_contact
INSERT INTO contact VALUES (?, ?) ON CONFLICT DO NOTHING;

-- name: contacts
SELECT day FROM contact WHERE record = ? ORDER BY day;

-- name: drop_contacts
DELETE FROM contact WHERE record = ?;

-- name: drop_contacts_before
DELETE FROM contact WHERE day < ?;
