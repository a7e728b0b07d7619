-- On which time base of the core's own clock (its wall clock less its uptime) a boot's ceiling was
-- received: where that clock is set, the next live send makes the ceiling anew.
ALTER TABLE boot ADD COLUMN ceiling_base_ms INTEGER NOT NULL DEFAULT 0;
