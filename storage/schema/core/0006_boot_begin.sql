-- The first monotonic moment known of a boot. It is not zero where the kernel was not booted: containers
-- with a boot id of their own, later time bases.
ALTER TABLE boot ADD COLUMN min_mono_us INTEGER NOT NULL DEFAULT -1;
UPDATE boot SET min_mono_us = coalesce((SELECT min(b.first_mono_us) FROM batch b
	WHERE b.gateway_id = boot.gateway_id AND b.boot_id = boot.id), -1);
