-- Times of boots that nobody can date: their neighbours bound them. The order of boots is that of their
-- epochs.
ALTER TABLE epoch ADD COLUMN boot_id INTEGER;      -- the boot that it numbers; null: not known
CREATE INDEX epoch_by_boot ON epoch (boot_id) WHERE boot_id IS NOT NULL;
CREATE INDEX epoch_by_prev ON epoch (gateway_id, prev) WHERE prev <> '';
UPDATE epoch SET boot_id = (SELECT b.boot_id FROM batch b WHERE b.gateway_id = epoch.gateway_id
	AND b.epoch_id = epoch.id LIMIT 1);

-- The offset with which a boot's batches are filed by time; null: by their receipt.
ALTER TABLE boot ADD COLUMN filed_offset_ms INTEGER;
UPDATE boot SET filed_offset_ms = held_offset_ms;
