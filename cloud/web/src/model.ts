// What the core says of a device, as in its health report and its live messages.

export const HEALTH_STATES = ["stale", "configured-no-data", "delayed", "awaiting-first-data", "healthy"] as const;
export type HealthState = (typeof HEALTH_STATES)[number];

export const STATE_NAMES: Record<HealthState, string> = {
  healthy: "Healthy",
  delayed: "Delayed",
  stale: "Stale",
  "configured-no-data": "No data",
  "awaiting-first-data": "Awaiting first data",
};

export interface Reason {
  code: string;
  since: string | null;
  detail: string;
}

export interface Values {
  state_of_charge_pct?: number | null;
  fuel_level_pct?: number | null;
  speed_kmh?: number | null;
  odometer_km?: number | null;
  charging_state?: string | null;
  ignition?: string | null;
}

export interface Item {
  device_id: string;
  vehicle_id: string | null;
  vin: string | null;
  gateway_id: string | null;
  provider: string | null;
  simulated?: boolean;
  health_state: HealthState;
  freshness_age_s: number | null;
  last_update_received_at: string | null;
  observed_at: string | null;
  last_contact_at: string | null;
  reason: Reason | null;
  values?: Values;
}

export type Counts = Partial<Record<HealthState, number>>;

export interface Status {
  workspace_id: string;
  evaluated_at: string;
  counts: Counts;
  items: Item[];
}

export interface Row extends Item {
  heardAt: number; // performance.now() when the age was true: the page's clock is never asked
}

/** The age now: what the core said, plus what has passed here since. */
export function ageSeconds(row: Row, now: number): number | null {
  return row.freshness_age_s === null ? null : row.freshness_age_s + Math.max(0, now - row.heardAt) / 1000;
}

export function formatAge(seconds: number | null): string {
  if (seconds === null) return "–";
  const s = Math.floor(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${String(s % 60).padStart(2, "0")} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${String(Math.floor(s / 60) % 60).padStart(2, "0")} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
}

export function formatNumber(value: number | null | undefined, digits = 0): string {
  if (value === null || value === undefined) return "–";
  return value.toLocaleString("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** Does every word of the query occur in what a person would look for? */
export function matches(item: Item, query: string): boolean {
  const text = [item.vehicle_id, item.vin, item.device_id, item.gateway_id, item.provider, item.reason?.code, item.reason?.detail]
    .filter(Boolean)
    .join(" ")
    .toLowerCase();
  return query
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

/** Worst first, then by name, so that what needs a person stands on top. */
export function compareRows(a: Item, b: Item): number {
  const byState = HEALTH_STATES.indexOf(a.health_state) - HEALTH_STATES.indexOf(b.health_state);
  if (byState !== 0) return byState;
  const name = (item: Item) => item.vehicle_id ?? item.device_id;
  return name(a).localeCompare(name(b), "en", { numeric: true });
}

/** A loss that stands open: neither recovered nor dismissed. */
export interface Gap {
  gap_id: number;
  gateway_id: string | null;
  records: number | null;
  reason: string;
  possible: boolean;
  from_at: string | null;
  to_at: string | null;
  detected_at: string;
  devices: string[];
}

const REASONS: Record<string, string> = {
  spool_full: "its buffer was full",
  spool_age: "older than its buffer keeps",
  write_budget: "the card's write budget was used up",
  disk_failed: "its disk took nothing",
  unreadable: "its disk gave back something else",
  operator: "given up by an operator",
};

/** "depot-1 lost 740 records, 03:10:12 to 03:12:40: its buffer was full". Times are the reader's own. */
export function describeGap(gap: Gap): string {
  const who = gap.gateway_id ?? "a gateway";
  const what = gap.records === null ? "records" : `${formatNumber(gap.records)} ${gap.records === 1 ? "record" : "records"}`;
  const at = (iso: string | null) => (iso === null ? null : new Date(iso).toLocaleString("en-GB", { dateStyle: "short", timeStyle: "medium" }));
  const [from, to] = [at(gap.from_at), at(gap.to_at)];
  const when = from && to ? `, ${from} to ${to}` : from ? `, since ${from}` : to ? `, until ${to}` : "";
  const why = REASONS[gap.reason] ?? gap.reason.split("_").join(" ");
  return `${who} ${gap.possible ? "may have lost" : "lost"} ${what}${when}: ${why}`;
}
