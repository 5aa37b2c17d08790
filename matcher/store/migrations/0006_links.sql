-- Links found together are stored together: reading a million rows takes longer than a start may.

CREATE TABLE links (
    id INTEGER PRIMARY KEY,
    pairs BLOB NOT NULL
) STRICT;

INSERT INTO links (pairs) SELECT pack_links("left", "right", weight ORDER BY id) FROM link GROUP BY id / 10000;

DROP TABLE link;
