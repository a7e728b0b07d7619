-- Accounts that stay small: an epoch that is over, accounted for and silent is folded into a row of a
-- few bytes, and what it is asked for goes round.
ALTER TABLE epoch ADD COLUMN told_at INTEGER NOT NULL DEFAULT 0;  -- when it last stood in an ack's ask
ALTER TABLE epoch ADD COLUMN folded INTEGER NOT NULL DEFAULT 0;   -- 1: committed is all, less the open gaps
ALTER TABLE epoch ADD COLUMN folded_at INTEGER;                   -- digests of before are gone
-- Between which moments its batches were made, so that a gap has bounds in time.
ALTER TABLE epoch ADD COLUMN first_mono_us INTEGER;
ALTER TABLE epoch ADD COLUMN next_id INTEGER NOT NULL DEFAULT 0;  -- the epoch after it on its disk
ALTER TABLE batch_digest ADD COLUMN batch_id INTEGER NOT NULL DEFAULT 0;
DROP INDEX epoch_open;
CREATE INDEX epoch_by_gateway ON epoch (gateway_id);
CREATE INDEX epoch_to_ask ON epoch (gateway_id, told_at) WHERE open = 1 AND abandoned = 0;
CREATE INDEX epoch_unanswered ON epoch (asked_at)
	WHERE open = 1 AND abandoned = 0 AND asked_at IS NOT NULL;
CREATE INDEX epoch_to_fold ON epoch (heard_at) WHERE folded = 0 AND (open = 0 OR abandoned = 1);

-- Moments of the epoch's time base between which the lost records were read.
ALTER TABLE gap ADD COLUMN from_mono_us INTEGER;
ALTER TABLE gap ADD COLUMN to_mono_us INTEGER;
-- A possible gap that a person has looked at.
ALTER TABLE gap ADD COLUMN dismissed_at INTEGER;
ALTER TABLE gap ADD COLUMN dismissed_by TEXT;
ALTER TABLE gap ADD COLUMN note TEXT;

-- Which devices a gateway fed on which day (days since 1970).
CREATE TABLE fed (
	gateway_id INTEGER NOT NULL,
	day INTEGER NOT NULL,
	device_id INTEGER NOT NULL,
	PRIMARY KEY (gateway_id, day, device_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX fed_by_day ON fed (day);

-- Two machines with one identity.
ALTER TABLE gateway_state ADD COLUMN spoke TEXT NOT NULL DEFAULT '';        -- session of the last batch
ALTER TABLE gateway_state ADD COLUMN spoke_before TEXT NOT NULL DEFAULT ''; -- and of the one before
ALTER TABLE gateway_state ADD COLUMN returns INTEGER NOT NULL DEFAULT 0;    -- how often these two alternated
ALTER TABLE gateway_state ADD COLUMN returned_at INTEGER;
ALTER TABLE gateway_state ADD COLUMN fork_session TEXT NOT NULL DEFAULT '';
ALTER TABLE gateway_state ADD COLUMN fork_at INTEGER;
ALTER TABLE gateway_state ADD COLUMN suspicion INTEGER NOT NULL DEFAULT 0;
ALTER TABLE gateway_state ADD COLUMN suspected_at INTEGER;
ALTER TABLE gateway_state ADD COLUMN duplicate_since INTEGER;               -- null: there is but one
CREATE INDEX gateway_duplicate ON gateway_state (gateway_id) WHERE duplicate_since IS NOT NULL;

-- How much is parked, so that nobody has to count it at each record.
CREATE TABLE parking (
	workspace_id INTEGER PRIMARY KEY,
	records INTEGER NOT NULL,
	bytes INTEGER NOT NULL
) STRICT;
INSERT INTO parking (workspace_id, records, bytes)
	SELECT workspace_id, count(*), sum(length(CAST(record AS BLOB))) FROM parked GROUP BY workspace_id;
