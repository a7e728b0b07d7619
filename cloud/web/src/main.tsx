import { render } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";

import "./app.css";
import { NO_FLEET, openFleet, type Fleet, type Link } from "./live";
import { ageSeconds, compareRows, describeGap, formatAge, formatNumber, HEALTH_STATES, matches, STATE_NAMES, type HealthState, type Row } from "./model";

const SHOWN_MOST = 300;

const LINK_NAMES: Record<Link, string> = {
  connecting: "Connecting",
  live: "Live",
  lost: "Reconnecting",
  "signed-out": "Signed out",
};

function useNow(everyMs: number): number {
  const [now, setNow] = useState(performance.now());
  useEffect(() => {
    const timer = window.setInterval(() => setNow(performance.now()), everyMs);
    return () => window.clearInterval(timer);
  }, [everyMs]);
  return now;
}

function Header({ fleet }: { fleet: Fleet }) {
  return (
    <header>
      <div class="brand">
        <img src="/favicon.svg" alt="" width="28" height="28" />
        <h1>Freshet</h1>
        {fleet.workspace && <span class="workspace">{fleet.workspace}</span>}
      </div>
      <span class={`link ${fleet.link}`} role="status">
        {LINK_NAMES[fleet.link]}
      </span>
    </header>
  );
}

function Filters(props: {
  fleet: Fleet;
  state: HealthState | null;
  query: string;
  onState: (state: HealthState | null) => void;
  onQuery: (query: string) => void;
}) {
  const { fleet, state, query, onState, onQuery } = props;
  const total = HEALTH_STATES.reduce((sum, name) => sum + (fleet.counts[name] ?? 0), 0);
  return (
    <nav aria-label="Filter">
      <div class="chips">
        <button type="button" class="chip all" aria-pressed={state === null} onClick={() => onState(null)}>
          All <b>{total}</b>
        </button>
        {[...HEALTH_STATES].reverse().map((name) => (
          <button type="button" class={`chip ${name}`} key={name} aria-pressed={state === name} onClick={() => onState(state === name ? null : name)}>
            <i class="dot" /> {STATE_NAMES[name]} <b>{fleet.counts[name] ?? 0}</b>
          </button>
        ))}
      </div>
      <input type="search" placeholder="Vehicle, VIN, gateway, reason" aria-label="Search" value={query} onInput={(event) => onQuery(event.currentTarget.value)} />
    </nav>
  );
}

function Charge({ row }: { row: Row }) {
  const soc = row.values?.state_of_charge_pct;
  const fuel = row.values?.fuel_level_pct;
  const level = soc ?? fuel;
  if (level === null || level === undefined) return <span class="none">–</span>;
  const kind = soc !== null && soc !== undefined ? "battery" : "fuel";
  return (
    <span class={`level ${kind}${level < 20 ? " low" : ""}`} title={kind === "battery" ? "State of charge" : "Fuel level"}>
      <span class="bar">
        <span style={{ width: `${Math.max(0, Math.min(100, level))}%` }} />
      </span>
      {formatNumber(level)} %{kind === "fuel" && <small> fuel</small>}
    </span>
  );
}

/** A unit without a number beside it says nothing. */
function Quantity({ value, unit }: { value: number | null | undefined; unit: string }) {
  if (value === null || value === undefined) return <span class="none">–</span>;
  return (
    <>
      {formatNumber(value)} <small>{unit}</small>
    </>
  );
}

function VehicleRow({ row, now }: { row: Row; now: number }) {
  return (
    <tr class={row.health_state}>
      <td class="state" data-label="State">
        <i class="dot" /> {STATE_NAMES[row.health_state]}
      </td>
      <th scope="row" class="vehicle">
        {row.vehicle_id ?? row.device_id}
        {row.simulated && <small class="tag">simulated</small>}
        <small>{row.vin ?? row.device_id}</small>
      </th>
      <td class="age number" data-label="Age" title={row.observed_at ?? "never"}>
        {formatAge(ageSeconds(row, now))}
      </td>
      <td class="charge" data-label="Charge">
        <Charge row={row} />
      </td>
      <td class="speed number" data-label="Speed">
        <Quantity value={row.values?.speed_kmh} unit="km/h" />
      </td>
      <td class="odometer number" data-label="Odometer">
        <Quantity value={row.values?.odometer_km} unit="km" />
      </td>
      <td class="reason" data-label="Reason">
        {row.reason ? (
          <span title={row.reason.since ? `since ${row.reason.since}` : undefined}>
            {row.reason.detail} <code>{row.reason.code}</code>
          </span>
        ) : (
          <span class="none">{row.gateway_id ? `by ${row.gateway_id}` : ""}</span>
        )}
      </td>
    </tr>
  );
}

function Table({ rows, now }: { rows: Row[]; now: number }) {
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">State</th>
          <th scope="col">Vehicle</th>
          <th scope="col" class="number">
            Age
          </th>
          <th scope="col">Charge</th>
          <th scope="col" class="number">
            Speed
          </th>
          <th scope="col" class="number">
            Odometer
          </th>
          <th scope="col">Reason</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <VehicleRow row={row} now={now} key={row.device_id} />
        ))}
      </tbody>
    </table>
  );
}

/** What was lost on the way, of which nobody has said yet that it does not matter. */
function Losses({ fleet }: { fleet: Fleet }) {
  const certain = fleet.gaps.filter((gap) => !gap.possible).length;
  const possible = fleet.gaps.length - certain;
  const parts = [certain > 0 && `${certain} ${certain === 1 ? "gap" : "gaps"}`, possible > 0 && `${possible} possible`].filter(Boolean);
  if (parts.length === 0) return null;
  return (
    <details class="losses">
      <summary>
        Lost on the way: {parts.join(", ")}
        {fleet.moreGaps && " and more"}
      </summary>
      <ul>
        {fleet.gaps.map((gap) => (
          <li key={gap.gap_id} title={gap.devices.join(", ")}>
            {describeGap(gap)}
          </li>
        ))}
      </ul>
    </details>
  );
}

function SignedOut() {
  return (
    <p class="notice">
      You are signed out. Make a new sign-in link on the core's machine with <code>freshet-core token link</code> and open it here.
    </p>
  );
}

function App() {
  const [fleet, setFleet] = useState<Fleet>(NO_FLEET);
  const [state, setState] = useState<HealthState | null>(null);
  const [query, setQuery] = useState("");
  const now = useNow(1000);

  useEffect(() => openFleet(setFleet), []);
  const found = useMemo(
    () => [...fleet.rows.values()].filter((row) => (state === null || row.health_state === state) && matches(row, query)).sort(compareRows),
    [fleet.rows, state, query],
  );

  return (
    <>
      <Header fleet={fleet} />
      {fleet.link === "signed-out" ? (
        <SignedOut />
      ) : (
        <main>
          <Filters fleet={fleet} state={state} query={query} onState={setState} onQuery={setQuery} />
          {fleet.problem && <p class="notice">{fleet.problem}</p>}
          <Losses fleet={fleet} />
          {found.length > 0 ? (
            <Table rows={found.slice(0, SHOWN_MOST)} now={Math.max(now, performance.now())} />
          ) : (
            <p class="empty">{fleet.rows.size > 0 ? "No vehicle matches." : fleet.link === "live" ? "No device is configured yet." : "Loading the fleet."}</p>
          )}
          {found.length > SHOWN_MOST && (
            <p class="empty">
              {SHOWN_MOST} of {found.length} shown; search to narrow the list.
            </p>
          )}
        </main>
      )}
    </>
  );
}

const root = document.getElementById("app");
if (root) render(<App />, root);
