-- The core's database. Names that people give stand outside, integers inside. Times are ms UTC,
-- monotonic times microseconds. Interval sets are blobs of (first, last) varint pairs.

-- The lease and the order of a shard: every write transaction takes this row first.
CREATE TABLE shard (
	id INTEGER PRIMARY KEY,
	owner TEXT NOT NULL,
	epoch INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	next_event INTEGER NOT NULL,      -- the seq of the next event: gap-free
	writes INTEGER NOT NULL,          -- write transactions so far: who sees it jump has old caches
	published INTEGER NOT NULL,       -- events up to here have left
	listening_since INTEGER           -- since when the owner hears gateways; null: it does not
) STRICT;
INSERT INTO shard (id, owner, epoch, expires_at, next_event, writes, published)
	VALUES (1, '', 0, 0, 1, 0, 0);

-- The registry.
CREATE TABLE workspace (
	id INTEGER PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,
	display_name TEXT NOT NULL,
	freshness_target_s INTEGER NOT NULL,
	stale_threshold_s INTEGER NOT NULL,
	no_data_grace_s INTEGER NOT NULL,
	poll_interval_s INTEGER NOT NULL,
	retention_days INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	deleted_at INTEGER
) STRICT;

CREATE TABLE gateway (
	id INTEGER PRIMARY KEY,
	workspace_id INTEGER NOT NULL REFERENCES workspace (id),
	name TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	deleted_at INTEGER,               -- its epochs are kept for ever, so the row stays
	UNIQUE (workspace_id, name)
) STRICT;

CREATE TABLE vehicle (
	id INTEGER PRIMARY KEY,
	workspace_id INTEGER NOT NULL REFERENCES workspace (id),
	name TEXT NOT NULL,
	vin TEXT,
	display_name TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	UNIQUE (workspace_id, name)
) STRICT;

CREATE TABLE device (
	id INTEGER PRIMARY KEY,
	workspace_id INTEGER NOT NULL REFERENCES workspace (id),
	name TEXT NOT NULL,
	vehicle_id INTEGER REFERENCES vehicle (id),
	gateway_id INTEGER REFERENCES gateway (id),
	provider TEXT NOT NULL,
	external_id TEXT,
	asset_kind TEXT NOT NULL CHECK (asset_kind IN ('vehicle', 'energy_site')),
	simulated INTEGER NOT NULL,
	interval_s INTEGER NOT NULL,      -- longer interval by budget or profile; 0: none
	activated_at INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	UNIQUE (workspace_id, name)
) STRICT;
CREATE INDEX device_by_name ON device (name);
CREATE INDEX device_by_vehicle ON device (vehicle_id);
CREATE INDEX device_by_external ON device (workspace_id, provider, external_id);

-- What gateways say of themselves.
CREATE TABLE gateway_state (
	gateway_id INTEGER PRIMARY KEY REFERENCES gateway (id),
	session TEXT NOT NULL,
	offline INTEGER NOT NULL,         -- 1: its will or good-bye is the newest of it
	link_at INTEGER,
	contact_at INTEGER,               -- the last live message
	status TEXT,                      -- the newest report as it came
	status_at INTEGER,
	backlog_batches INTEGER NOT NULL,
	backlog_oldest_at INTEGER,
	live_epoch INTEGER,               -- the epoch of the newest live batch
	duplicate_at INTEGER              -- when two running epochs last alternated
) STRICT;

CREATE TABLE gateway_source (
	gateway_id INTEGER NOT NULL,
	name TEXT NOT NULL,
	kind TEXT NOT NULL,
	device_name TEXT NOT NULL,
	state INTEGER NOT NULL,
	reason TEXT NOT NULL,
	detail TEXT NOT NULL,
	since INTEGER,
	last_ok_at INTEGER,
	PRIMARY KEY (gateway_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX gateway_source_by_device ON gateway_source (gateway_id, device_name);

-- The transfer: boots with their one anchor, epochs with their interval sets. Never pruned.
CREATE TABLE boot (
	id INTEGER PRIMARY KEY,
	gateway_id INTEGER NOT NULL,
	name TEXT NOT NULL,
	quality INTEGER NOT NULL,
	mono_us INTEGER NOT NULL,
	offset_ms INTEGER NOT NULL,
	ceiling_ms INTEGER NOT NULL,
	held_quality INTEGER NOT NULL,    -- what follows of all that, for readers
	held_offset_ms INTEGER,
	max_mono_us INTEGER NOT NULL,     -- the last monotonic moment known of it
	first_seen INTEGER NOT NULL,
	last_seen INTEGER NOT NULL,
	UNIQUE (gateway_id, name)
) STRICT;

CREATE TABLE epoch (
	id INTEGER PRIMARY KEY,
	gateway_id INTEGER NOT NULL,
	name TEXT NOT NULL,
	prev TEXT NOT NULL,               -- the epoch before on the gateway's disk; "" not known
	first_seen INTEGER NOT NULL,
	heard_at INTEGER NOT NULL,        -- its last batch or epoch_end
	live_at INTEGER,                  -- its last live batch
	floor INTEGER NOT NULL,           -- the highest floor seen
	highest INTEGER NOT NULL,         -- the largest number heard of
	committed BLOB NOT NULL,
	lost BLOB NOT NULL,               -- stated as lost; what is committed after all stays in it
	over INTEGER NOT NULL,            -- an epoch_end came
	end_at INTEGER NOT NULL,          -- one past the last number made; -1 not known
	forked INTEGER NOT NULL,          -- two bodies under one number were seen
	asked_at INTEGER,                 -- since when its gateway is asked what became of it
	abandoned INTEGER NOT NULL,       -- asked for in vain
	open INTEGER NOT NULL,            -- its account is not closed
	UNIQUE (gateway_id, name)
) STRICT;
CREATE INDEX epoch_open ON epoch (gateway_id, heard_at) WHERE open = 1;

CREATE TABLE batch_digest (
	epoch_id INTEGER NOT NULL,
	number INTEGER NOT NULL,
	digest INTEGER NOT NULL,          -- the 8 bytes of the wire's digest; a fork has several
	PRIMARY KEY (epoch_id, number, digest)
) STRICT, WITHOUT ROWID;

-- History: a batch whole, one row for all of its records.
CREATE TABLE batch (
	id INTEGER PRIMARY KEY,
	workspace_id INTEGER NOT NULL,
	gateway_id INTEGER NOT NULL,
	epoch_id INTEGER NOT NULL,
	number INTEGER NOT NULL,
	boot_id INTEGER NOT NULL,
	class INTEGER NOT NULL,
	received_at INTEGER NOT NULL,
	first_mono_us INTEGER,
	last_mono_us INTEGER,
	first_at INTEGER NOT NULL,        -- as anchored at commit: for finding, not for truth
	last_at INTEGER NOT NULL,
	records INTEGER NOT NULL,
	accepted INTEGER NOT NULL,
	late INTEGER NOT NULL,
	duplicate INTEGER NOT NULL,
	parked INTEGER NOT NULL,
	rejected INTEGER NOT NULL,
	devices BLOB NOT NULL,            -- rows of the devices in it: varints, each less the one before
	packing INTEGER NOT NULL,         -- 0 JSON, 1 zstd
	body BLOB NOT NULL
) STRICT;
CREATE INDEX batch_by_time ON batch (gateway_id, first_at);
CREATE INDEX batch_by_age ON batch (workspace_id, received_at);

-- What is now: narrow rows for health, bodies apart.
CREATE TABLE device_state (
	device_id INTEGER PRIMARY KEY REFERENCES device (id),
	last_update_at INTEGER,
	last_received_at INTEGER,
	last_accepted_at INTEGER,
	observed_at INTEGER,              -- of the update that gave last_update_at, unclamped
	boot_id INTEGER NOT NULL,         -- 0: without
	mono_us INTEGER NOT NULL,
	at_ms INTEGER,
	contact_at INTEGER,
	simulated INTEGER NOT NULL,
	vin_mismatch_at INTEGER,
	ignition_off INTEGER NOT NULL,
	ignition_since INTEGER,
	asleep INTEGER NOT NULL,
	asleep_since INTEGER,
	swept_state INTEGER NOT NULL,     -- as the sweep last judged; -1: never
	swept_at INTEGER
) STRICT;
CREATE INDEX device_state_by_boot ON device_state (boot_id) WHERE boot_id <> 0;

CREATE TABLE device_body (
	device_id INTEGER PRIMARY KEY REFERENCES device (id),
	body BLOB NOT NULL
) STRICT;

-- What was kept back, refused or lost, and how everything ended.
CREATE TABLE parked (
	id INTEGER PRIMARY KEY,
	workspace_id INTEGER NOT NULL,
	gateway_id INTEGER NOT NULL,      -- 0: not by a gateway
	device_id INTEGER NOT NULL,       -- 0: not registered
	device_name TEXT NOT NULL,        -- or external_id of an envelope
	reason TEXT NOT NULL,
	batch_id INTEGER NOT NULL,        -- 0: without
	number INTEGER NOT NULL,
	position INTEGER NOT NULL,
	boot_id INTEGER NOT NULL,
	received_at INTEGER NOT NULL,
	vin TEXT NOT NULL,
	record TEXT NOT NULL              -- its JSON, whole
) STRICT;
CREATE INDEX parked_by_device ON parked (workspace_id, device_name);
CREATE INDEX parked_by_batch ON parked (batch_id);

CREATE TABLE rejection (
	id INTEGER PRIMARY KEY,
	workspace_id INTEGER NOT NULL,    -- 0: not known
	gateway_id INTEGER NOT NULL,
	source TEXT NOT NULL,             -- topic, or door and device
	reason TEXT NOT NULL,
	detail TEXT NOT NULL,
	head BLOB NOT NULL,               -- the first 256 bytes
	rest_sha256 TEXT NOT NULL,        -- of what follows; "" where nothing does
	bytes INTEGER NOT NULL,
	first_at INTEGER NOT NULL,
	last_at INTEGER NOT NULL,
	count INTEGER NOT NULL,
	UNIQUE (workspace_id, gateway_id, source, reason, rest_sha256, head)
) STRICT;

CREATE TABLE gap (
	id INTEGER PRIMARY KEY,
	workspace_id INTEGER NOT NULL,
	gateway_id INTEGER NOT NULL,
	epoch_id INTEGER NOT NULL,        -- 0: not of a transfer (parked records that overflowed)
	first INTEGER NOT NULL,
	last INTEGER NOT NULL,            -- -1: open tail
	records INTEGER,                  -- null: not known
	reason TEXT NOT NULL,
	possible INTEGER NOT NULL,
	detected_at INTEGER NOT NULL,
	recovered_at INTEGER
) STRICT;
CREATE INDEX gap_open ON gap (epoch_id) WHERE recovered_at IS NULL;
CREATE INDEX gap_by_workspace ON gap (workspace_id);

CREATE TABLE outcome (
	workspace_id INTEGER NOT NULL,
	gateway_id INTEGER NOT NULL,
	device_id INTEGER NOT NULL,
	hour INTEGER NOT NULL,            -- hours since 1970
	outcome TEXT NOT NULL,
	reason TEXT NOT NULL,
	count INTEGER NOT NULL,
	PRIMARY KEY (workspace_id, hour, gateway_id, device_id, outcome, reason)
) STRICT, WITHOUT ROWID;

-- Events, written with the change that they tell of; shard.published is the outbox's cursor.
CREATE TABLE event (
	seq INTEGER PRIMARY KEY,
	event_id TEXT NOT NULL,
	workspace_id INTEGER NOT NULL,    -- 0: of no workspace
	device_id INTEGER NOT NULL,       -- 0: of no device
	name TEXT NOT NULL,
	occurred_at INTEGER NOT NULL,
	late INTEGER NOT NULL,
	trace_id TEXT,
	payload TEXT NOT NULL
) STRICT;
CREATE INDEX event_by_workspace ON event (workspace_id, seq);

-- Who may ask. Secrets stand as SHA-256 only.
CREATE TABLE api_token (
	id INTEGER PRIMARY KEY,
	name TEXT NOT NULL,
	hash TEXT NOT NULL UNIQUE,
	roles TEXT NOT NULL,              -- words separated by spaces
	workspaces TEXT NOT NULL,         -- "*" or names separated by spaces
	created_at INTEGER NOT NULL,
	expires_at INTEGER,
	revoked_at INTEGER
) STRICT;

CREATE TABLE login_code (
	hash TEXT PRIMARY KEY,
	token_id INTEGER NOT NULL REFERENCES api_token (id),
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	used_at INTEGER
) STRICT;

CREATE TABLE web_session (
	hash TEXT PRIMARY KEY,
	token_id INTEGER NOT NULL REFERENCES api_token (id),
	created_at INTEGER NOT NULL,
	seen_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL
) STRICT;
