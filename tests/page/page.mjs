// Looks at the live page with a real browser, as a person would. Called by test_page.py, which runs the
// stack: node page.mjs '{"link":..., "vehicles":[...], "fault":[...], "shots":folder or null}'.
// Each step prints a line; the first that fails ends with status 1.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const given = JSON.parse(process.argv[2]);
const CHROMIUM = process.env.FRESHET_CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const WAIT_MS = 20_000;

const errors = [];
const profile = mkdtempSync(join(tmpdir(), "freshet-page-"));

function expect(condition, what) {
  if (!condition) throw new Error(what);
}

function fault(vehicle, what) {
  execFileSync(given.fault[0], [...given.fault.slice(1), vehicle, what], { stdio: "ignore" });
}

/** Rows as a person reads them: [{state, vehicle, age, reason, text}]. */
function rows(page) {
  return page.$$eval("tbody tr", (list) =>
    list.map((row) => ({
      state: row.className,
      vehicle: row.querySelector("th").firstChild.textContent,
      age: row.querySelector(".age").textContent,
      odometer: row.querySelector(".odometer").textContent,
      reason: row.querySelector(".reason").textContent,
      text: row.textContent,
    })),
  );
}

async function until(page, what, condition) {
  const end = Date.now() + WAIT_MS;
  let seen = null;
  while (Date.now() < end) {
    seen = await rows(page);
    if (condition(seen)) return seen;
    await page.waitForTimeout(50);
  }
  throw new Error(`not within ${WAIT_MS / 1000} s: ${what}; the page shows ${JSON.stringify(seen)}`);
}

function watch(page) {
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") errors.push(message.text());
  });
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("requestfailed", (request) => errors.push(`${request.url()}: ${request.failure()?.errorText}`));
}

const all = given.vehicles;
const [first] = all;

const steps = {
  async "the link signs in and every vehicle has its row"(page) {
    await page.goto(given.link);
    await until(page, "a row a vehicle", (seen) => seen.length === all.length);
    const names = (await rows(page)).map((row) => row.vehicle).sort();
    expect(JSON.stringify(names) === JSON.stringify([...all].sort()), `rows are ${names}`);
    expect(!page.url().includes("code="), `the code stays in the address: ${page.url()}`);
    expect((await page.textContent(".link")) === "Live", "the page says that it is live");
  },

  async "the link works once"() {
    const answer = await fetch(given.link, { redirect: "manual" });
    expect(!answer.headers.get("set-cookie"), `a used link signs in again: ${answer.status}`);
  },

  async "every vehicle is healthy with an odometer"(page) {
    await until(page, "healthy rows with values", (seen) => seen.every((row) => row.state === "healthy" && /\d/.test(row.odometer)));
  },

  async "what was lost is told"(page) {
    await page.waitForSelector(".losses summary", { timeout: WAIT_MS });
    expect(/Lost on the way: \d gaps?$/.test((await page.textContent(".losses summary")).trim()), await page.textContent(".losses summary"));
    await page.click(".losses summary");
    const told = await page.textContent(".losses li");
    expect(/^depot-1 lost \d+ records?, .* to .*: given up by an operator$/.test(told), told);
    await page.click(".losses summary");
  },

  async "the age ticks between updates"(page) {
    const ages = new Set();
    await until(page, "three different ages", (seen) => {
      seen.forEach((row) => ages.add(`${row.vehicle} ${row.age}`));
      return ages.size >= all.length + 2;
    });
  },

  async "values change by themselves"(page) {
    const before = new Map((await rows(page)).map((row) => [row.vehicle, row.odometer]));
    await until(page, "another odometer in every row", (seen) => seen.every((row) => row.odometer !== before.get(row.vehicle)));
  },

  async "search narrows the list"(page) {
    await page.fill("input[type=search]", first);
    await until(page, "one row", (seen) => seen.length === 1 && seen[0].vehicle === first);
    await page.fill("input[type=search]", "no such vehicle");
    await until(page, "no row", (seen) => seen.length === 0);
    expect(/No vehicle matches/.test(await page.textContent("main")), "it says that nothing matches");
    await page.fill("input[type=search]", "");
    await until(page, "every row again", (seen) => seen.length === all.length);
  },

  async "an unplugged adapter turns its row without a reload, and back"(page) {
    await page.evaluate(() => (window.notReloaded = true));
    fault(first, "unplug");
    const row = (seen) => seen.find((one) => one.vehicle === first);
    await until(page, "delayed", (seen) => row(seen)?.state === "delayed");
    await until(page, "stale, with its reason", (seen) => row(seen)?.state === "stale" && row(seen).reason.includes("adapter_unplugged"));
    if (given.shots) {
      await page.evaluate(() => document.activeElement.blur());
      await page.screenshot({ path: join(given.shots, "dashboard.png") });
    }
    await page.click(".chip.stale");
    await until(page, "the stale one alone", (seen) => seen.length === 1 && seen[0].vehicle === first);
    expect((await page.textContent(".chip.stale b")) === "1", "the chip counts one");
    await page.click(".chip.all");
    await until(page, "every row again", (seen) => seen.length === all.length);
    await phone(page, given.shots);
    fault(first, "plug");
    await until(page, "healthy again", (seen) => row(seen)?.state === "healthy");
    expect(await page.evaluate(() => window.notReloaded === true), "the page was not reloaded");
  },

  async "nothing was written to the console"() {
    expect(errors.length === 0, errors.join("\n"));
  },
};

/** As wide as a phone: nothing sticks out sideways. */
async function phone(page, shots) {
  await page.setViewportSize({ width: 390, height: 844 });
  await page.waitForTimeout(100); // a frame for the new width
  const [needs, has] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
  expect(needs <= has, `the page needs ${needs} of ${has} pixels`);
  const cut = await page.$$eval("tbody td, tbody th, nav *", (list) =>
    list.filter((one) => one.getBoundingClientRect().right > window.innerWidth + 1).map((one) => one.textContent),
  );
  expect(cut.length === 0, `cut off on a phone: ${cut.slice(0, 3).join(" | ")}`);
  if (shots) await page.screenshot({ path: join(shots, "dashboard-phone.png") });
  await page.setViewportSize({ width: 1280, height: 800 });
}

async function main() {
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    headless: true,
    args: FLAGS,
    viewport: { width: 1280, height: 800 },
    colorScheme: "light",
  });
  try {
    const page = context.pages()[0] ?? (await context.newPage());
    watch(page);
    for (const [name, step] of Object.entries(steps)) {
      try {
        await step(page, context);
      } catch (error) {
        console.log(`not ok: ${name}: ${error.message}`);
        return 1;
      }
      console.log(`ok: ${name}`);
    }
    return 0;
  } finally {
    await context.close();
  }
}

let status = 1;
try {
  status = await main();
} finally {
  rmSync(profile, { recursive: true, force: true });
}
process.exit(status);
