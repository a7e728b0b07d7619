-- The spool of the edge. All of it is written by one connection, in short transactions.

-- A time base: a boot of the machine, or what came after its clock was found to have been set back or
-- stopped; and the best clock anchor known of it.
CREATE TABLE boot (
	seq INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE, -- the kernel's boot id, from the second time base on with .2, .3 ...
	kernel TEXT NOT NULL, -- the kernel's boot id
	base INTEGER NOT NULL, -- 1, 2 ...
	anchor_mono_us INTEGER, -- null: no anchor
	anchor_at_ms INTEGER,
	quality INTEGER NOT NULL DEFAULT 0 -- enum clock_quality
) STRICT;

-- An epoch of batch numbers. The one with the largest seq is the running one. A seq is never used
-- again, so that batch ids are not either.
CREATE TABLE epoch (
	seq INTEGER PRIMARY KEY AUTOINCREMENT,
	id TEXT NOT NULL UNIQUE,
	boot INTEGER NOT NULL REFERENCES boot (seq),
	prev TEXT, -- id of the epoch before, also when its row is gone; null: the first of this file
	next INTEGER NOT NULL DEFAULT 1, -- the number that the next batch gets
	orderly INTEGER NOT NULL DEFAULT 0, -- 1: next is known to be the end; 0 while numbers are given
	told_boot INTEGER, -- when the core was last told of its end on being asked
	told_mono_us INTEGER
) STRICT;

-- id = epoch.seq * 2^40 + number: appending is one insert at the end of one tree, what the core
-- has acknowledged is one range of it, and no index is needed.
CREATE TABLE batch (
	id INTEGER PRIMARY KEY,
	class INTEGER NOT NULL, -- enum wire_class
	encoding INTEGER NOT NULL, -- enum wire_body
	records INTEGER NOT NULL,
	first_mono_us INTEGER NOT NULL,
	last_mono_us INTEGER NOT NULL,
	digest TEXT NOT NULL,
	body BLOB NOT NULL
) STRICT;

CREATE TABLE total (
	only INTEGER PRIMARY KEY CHECK (only = 1),
	dropped INTEGER NOT NULL -- records given up, ever
) STRICT;
INSERT INTO total VALUES (1, 0);
