-- The spool of the edge. Both floors, the young one on tmpfs and the one on disk, have these tables; a
-- batch and its epoch have the same numbers on both. All of it is written by one process, in short
-- transactions.

-- A time base: a boot of the machine, or what came after its clock was found to have been set back or
-- stopped; and the best clock anchor known of it.
CREATE TABLE boot (
	id TEXT PRIMARY KEY, -- the kernel's boot id, from the second time base on with .2, .3 ...
	kernel TEXT NOT NULL, -- the kernel's boot id
	base INTEGER NOT NULL, -- 1, 2 ...
	anchor_mono_us INTEGER, -- null: no anchor
	anchor_at_ms INTEGER,
	quality INTEGER NOT NULL DEFAULT 0 -- enum clock_quality
) STRICT, WITHOUT ROWID;

-- An epoch of batch numbers. The one with the largest seq is the running one; its row is never
-- deleted, so that no seq is used again, and batch ids are not either. The figures are those of the
-- whole spool as they stood when the row was written last; the running epoch's count.
CREATE TABLE epoch (
	seq INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE,
	boot TEXT NOT NULL REFERENCES boot (id),
	prev TEXT, -- id of the epoch before, also when its row is gone; null: the first of this spool
	next INTEGER NOT NULL, -- the number that the next batch gets; the larger of both floors counts
	settled INTEGER NOT NULL, -- on the young floor: `next` as the disk has it; 0: not on disk yet
	-- 1: next is known to be the end; 0: it is not (yet); -1: the row was salvaged, and what is held of
	-- the epoch is to be stated anew
	orderly INTEGER NOT NULL,
	told_boot TEXT, -- when the core was last told of its end on being asked
	told_mono_us INTEGER,
	dropped_sample INTEGER NOT NULL, -- records given up, ever
	dropped_state INTEGER NOT NULL,
	dropped_alarm INTEGER NOT NULL,
	dropped_ledger INTEGER NOT NULL,
	written_total INTEGER NOT NULL, -- bytes given to the disk, ever
	written_today INTEGER NOT NULL, -- of the day `written_day`
	written_day INTEGER NOT NULL, -- days since 1970-01-01 by the machine's clock
	measured_ms INTEGER NOT NULL, -- running time over which written_total was counted
	credit INTEGER -- bytes that the write budget allowed then; null: no budget was set
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
	digest TEXT NOT NULL, -- of the body
	mark INTEGER NOT NULL, -- a hash of epoch.id, number, and all between them and here
	body BLOB NOT NULL
) STRICT;
