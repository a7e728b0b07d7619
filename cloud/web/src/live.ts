// The live connection: subscribes, keeps the rows current, comes back by itself.

import type { Counts, Gap, Row, Status } from "./model";

export type Link = "connecting" | "live" | "lost" | "signed-out";

export interface Fleet {
  link: Link;
  workspace: string | null;
  counts: Counts;
  rows: Map<string, Row>;
  gaps: Gap[];
  moreGaps: boolean;
  problem: string | null;
}

export const NO_FLEET: Fleet = { link: "connecting", workspace: null, counts: {}, rows: new Map(), gaps: [], moreGaps: false, problem: null };

const RETRY_FIRST_MS = 500;
const RETRY_MOST_MS = 15_000;
const PING_MS = 20_000;
const SILENCE_MS = 50_000;
const PAGE = 1000;
const FOLLOW_MS = 3000;
const GAPS_MS = 15_000;
const GAPS_MOST = 50;

/** Starts at once; calls back with a fresh object at each change. Returns how to stop. */
export function openFleet(onChange: (fleet: Fleet) => void): () => void {
  let fleet = NO_FLEET;
  let socket: WebSocket | null = null;
  let retry = RETRY_FIRST_MS;
  let timer = 0;
  let pinger = 0;
  let follower = 0;
  let gapsTimer = 0;
  let followed = 0;
  let heard = performance.now();
  let stopped = false;

  const change = (part: Partial<Fleet>) => {
    fleet = { ...fleet, ...part };
    onChange(fleet);
  };

  const take = (status: Status, whole: boolean) => {
    const rows = whole ? new Map<string, Row>() : new Map(fleet.rows);
    const heardAt = performance.now();
    for (const item of status.items) rows.set(item.device_id, { ...item, heardAt });
    change({ link: "live", workspace: status.workspace_id, counts: status.counts, rows, problem: null });
    const total = Object.values(status.counts).reduce((sum, count) => sum + count, 0);
    if (total !== rows.size && rows.size < PAGE) void follow(status.workspace_id);
  };

  const later = (problem: string) => {
    if (stopped) return;
    window.clearInterval(pinger);
    change({ link: "lost", problem });
    timer = window.setTimeout(start, retry * (0.5 + Math.random()));
    retry = Math.min(RETRY_MOST_MS, retry * 2);
  };

  async function get<T>(path: string): Promise<T> {
    const answer = await fetch(path, { headers: { Accept: "application/json" }, credentials: "same-origin" });
    if (answer.status === 401) {
      change({ link: "signed-out", problem: null });
      throw new Error("signed out");
    }
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${answer.statusText}`);
    return (await answer.json()) as T;
  }

  async function allDevices(workspace: string): Promise<string[]> {
    const names: string[] = [];
    let cursor: string | null = null;
    do {
      const after: string = cursor ? `&cursor=${encodeURIComponent(cursor)}` : "";
      const page: Status & { next_cursor: string | null } = await get(
        `/api/workspaces/${encodeURIComponent(workspace)}/health?limit=${PAGE}${after}`,
      );
      names.push(...page.items.map((item) => item.device_id));
      cursor = page.next_cursor;
    } while (cursor !== null && names.length < PAGE);
    return names;
  }

  /** Devices came or went: subscribe to what there is now. Not more than once in a few seconds. */
  async function follow(workspace: string) {
    const now = performance.now();
    if (now - followed < FOLLOW_MS) {
      window.clearTimeout(follower);
      follower = window.setTimeout(() => void follow(workspace), FOLLOW_MS);
      return;
    }
    followed = now;
    try {
      const devices = await allDevices(workspace);
      if (socket?.readyState === WebSocket.OPEN)
        socket.send(JSON.stringify({ type: "subscribe", workspace_id: workspace, devices }));
    } catch {
      // The connection's own end tells of it.
    }
  }

  /** Losses change seldom: they are asked for, now and then. */
  async function askGaps(workspace: string) {
    window.clearTimeout(gapsTimer);
    try {
      const page: { items: Gap[]; next_cursor: string | null } = await get(
        `/api/workspaces/${encodeURIComponent(workspace)}/gaps?open=1&limit=${GAPS_MOST}`,
      );
      change({ gaps: page.items, moreGaps: page.next_cursor !== null });
    } catch {
      // As they were; the connection's own end tells of it.
    }
    if (!stopped && fleet.link !== "signed-out") gapsTimer = window.setTimeout(() => void askGaps(workspace), GAPS_MS);
  }

  function open(workspace: string, devices: string[]) {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    socket = new WebSocket(`${scheme}://${location.host}/ws`, "freshet.v1");
    socket.onopen = () => {
      retry = RETRY_FIRST_MS;
      heard = performance.now();
      socket?.send(JSON.stringify({ type: "subscribe", workspace_id: workspace, devices }));
      pinger = window.setInterval(() => {
        if (performance.now() - heard > SILENCE_MS) socket?.close();
        else socket?.send(JSON.stringify({ type: "ping" }));
      }, PING_MS);
    };
    socket.onmessage = (event) => {
      heard = performance.now();
      const message = JSON.parse(String(event.data)) as { type: string } & Status & { detail?: string };
      if (message.type === "initial_status") take(message, true);
      else if (message.type === "status_update") take(message, false);
      else if (message.type === "error") change({ problem: message.detail ?? "the core refused the subscription" });
    };
    socket.onclose = () => later("The connection to the core is lost. Values below are as they were; trying again.");
  }

  async function start() {
    try {
      const list = await get<{ items: { workspace_id: string }[] }>("/api/workspaces?limit=1000");
      const asked = new URLSearchParams(location.search).get("workspace");
      const workspace = asked ?? list.items[0]?.workspace_id;
      if (!workspace) {
        change({ link: "live", problem: "No workspace yet. Add one with freshet-core workspace add." });
        timer = window.setTimeout(start, 5000);
        return;
      }
      open(workspace, await allDevices(workspace));
      void askGaps(workspace);
    } catch (error) {
      if (fleet.link !== "signed-out") later(error instanceof Error ? error.message : String(error));
    }
  }

  void start();
  return () => {
    stopped = true;
    window.clearTimeout(timer);
    window.clearInterval(pinger);
    window.clearTimeout(follower);
    window.clearTimeout(gapsTimer);
    socket?.close();
  };
}
