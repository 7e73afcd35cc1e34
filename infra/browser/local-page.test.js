// The local cloud's own page, as the person who develops against it uses it. The steps build on each other: once one has failed, the rest is
// skipped.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { launch } from "./support/browser.js";
import { startCloud } from "./support/cloud.js";

const WEB_URL = "http://localhost:9080";
const ADA = { email: "ada@example.com", password: "lovelace1" };
const GOOGLE = "ada@gmail.example";
// Whatever is shown as markup instead of as text would run.
const MARKUP = '<img src=x onerror="document.title = \'broken in\'">';
const QUEUE = "SyncQueue.fifo";
const DEAD = "SyncDeadLetterQueue.fifo";

let cloud, browser, page, cookies, failed;
const complaints = [];

function step(name, run) {
  test(name, async (context) => {
    if (failed) return context.skip(`after "${failed}"`);
    failed = name;
    await run();
    failed = undefined;
  });
}

after(async () => {
  await browser?.close();
  if (failed && cloud) console.error(cloud.log.slice(-40).join("\n"));
  if (cloud) assert.equal(await cloud.stop(), 0, "the local cloud ends cleanly");
});

async function call(method, path, body) {
  const answer = await fetch(cloud.url + path, {
    method,
    headers: { "content-type": "application/json", ...(cookies && { cookie: cookies }) },
    body: body && JSON.stringify(body),
  });
  if (path.startsWith("/api/signup")) cookies = answer.headers.getSetCookie().map((cookie) => cookie.split(";")[0]).join("; ");
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  return answer;
}

// A queue's message as an SDK sends it.
async function enqueue(body) {
  const address = cloud.log.map((line) => /^SQS +(\S+)/.exec(line)?.[1]).find(Boolean);
  const answer = await fetch(address, {
    method: "POST",
    headers: { "content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.SendMessage" },
    body: JSON.stringify({
      QueueUrl: `${address}/000000000000/${QUEUE}`,
      MessageBody: body,
      MessageGroupId: "group",
      MessageDeduplicationId: "poison",
    }),
  });
  assert.ok(answer.ok, await answer.text());
}

const row = (table, text) => page.locator(`#${table} tbody tr`, { hasText: text }).first();
const shows = (table, text) => row(table, text).waitFor();

step("the bundle, the page and the browser start", async () => {
  cloud = await startCloud(WEB_URL);
  browser = await launch();
  page = await browser.newPage();
  page.on("pageerror", (error) => complaints.push(`uncaught: ${error.message}`));
  page.on("console", (message) => {
    // That nobody has signed up with an address is an error to the console, too, but none to us.
    if (message.type() === "error" && !/status of 400/.test(message.text())) complaints.push(message.text());
  });
  await call("POST", "/_local/google/accounts", { email: GOOGLE });
  await page.goto(`${cloud.url}/_local/`);
  await page.getByText("connected", { exact: true }).waitFor();
});

step("an invocation shows up as it ends, with its time and its units", async () => {
  await call("POST", "/api/signup", {
    formFields: [
      { id: "name", value: "Ada" },
      { id: "email", value: ADA.email },
      { id: "password", value: ADA.password },
    ],
  });
  await shows("calls", "POST /api/signup");
  const cells = await row("calls", "POST /api/signup").locator("td").allTextContents();
  assert.equal(cells[1], "auth");
  assert.ok(Number(cells[3]) > 0, `${cells[3]} ms`);
  assert.ok(Number(cells[5]) > 0, `${cells[5]} write units`);
  assert.match(cells[6], /^200/);
});

step("the change log of a user is followed, and markup in it is text", async () => {
  await page.getByLabel("User").fill("nobody@example.com");
  await page.keyboard.press("Enter");
  await page.locator("#head", { hasText: "nobody" }).waitFor();

  await page.getByLabel("User").fill(ADA.email);
  await page.keyboard.press("Enter");
  await page.locator("#head", { hasText: "rev" }).waitFor();
  await call("POST", "/api/event", {
    title: MARKUP,
    startDate: "2026-11-20T12:00:00Z",
    endDate: "2026-11-20T13:00:00Z",
    priority: "self",
    origin: "compass",
  });
  await shows("log", MARKUP);
  assert.equal(await page.locator("#log img").count(), 0);
});

step("an open stream is counted", async () => {
  const ending = new AbortController();
  const stream = await fetch(`${cloud.url}/api/events/stream`, { headers: { cookie: cookies }, signal: ending.signal });
  assert.equal(stream.status, 200);
  await shows("open", "stream: 1 open");
  ending.abort();
});

step("what could not be done waits among the dead letters until it is sent back", async () => {
  await enqueue(MARKUP);
  await shows("messages", DEAD);
  assert.ok((await row("messages", DEAD).textContent()).includes(MARKUP));
  const first = page.locator(`#messages tr[data-key="${await row("messages", DEAD).getAttribute("data-key")}"]`);
  const redriven = page.waitForResponse((response) => response.url().endsWith("/redrive"));
  await page.getByRole("button", { name: `Redrive ${DEAD}` }).click();
  assert.deepEqual(await (await redriven).json(), { moved: 1 });
  // It is tried again, under another id, and as it has not become any better, it comes back.
  await first.waitFor({ state: "detached" });
  await shows("messages", DEAD);
});

step("Google's calendar is changed as its user would", async () => {
  await page.getByLabel("Act as").selectOption(GOOGLE);
  await page.getByRole("textbox", { name: "Title" }).fill(MARKUP);
  await page.getByLabel("Starts").fill("2026-11-20T12:00");
  await page.getByRole("button", { name: "Create" }).click();
  await shows("events", MARKUP);
  assert.ok(await page.getByRole("textbox", { name: "Title" }).evaluate((field) => field === document.activeElement), "the next one can be typed at once");

  const events = async () => (await call("GET", `/_local/google/accounts/${GOOGLE}/calendars/primary/events`)).json();
  const [created] = await events();
  // By the keyboard alone, and whoever moves on by an hour stays at the button.
  const later = page.getByRole("button", { name: /^Move .* later$/ });
  await later.focus();
  for (let press = 1; press <= 2; press += 1) {
    const before = await page.locator("#events tbody td:nth-child(2)").textContent();
    await page.keyboard.press("Enter");
    await page.waitForFunction((before) => document.querySelector("#events tbody td:nth-child(2)").textContent !== before, before);
  }
  assert.ok(await later.evaluate((button) => button === document.activeElement), "the button keeps the focus");
  const [moved] = await events();
  assert.equal(Date.parse(moved.start.dateTime) - Date.parse(created.start.dateTime), 7_200_000);

  await page.getByRole("button", { name: /^Delete / }).click();
  await page.locator("#events tr.gone").waitFor();
  assert.equal((await events())[0].status, "cancelled");
});

step("invocations are found, and hold still for who reads them", async () => {
  await page.locator("h1").click();
  await page.keyboard.press("/");
  await page.keyboard.type("signup");
  const visible = page.locator("#calls tbody tr:not([hidden])");
  assert.deepEqual(await visible.locator("td:nth-child(2)").allTextContents(), ["auth"]);
  await page.getByRole("searchbox", { name: "Show" }).fill("");

  await page.getByLabel("Hold still").check();
  const [newest, ...rest] = await visible.locator("td:nth-child(3)").allTextContents();
  await call("GET", "/api/config");
  await call("GET", "/api/user/profile");
  assert.deepEqual(await visible.locator("td:nth-child(3)").allTextContents(), [newest, ...rest]);
  await page.getByLabel("Hold still").uncheck();
  await shows("calls", "GET /api/user/profile");
});

step("the clock moves on", async () => {
  const before = Date.parse(await page.locator("#now").getAttribute("datetime"));
  await page.getByLabel("Move the clock by").selectOption("1 day");
  await page.getByRole("button", { name: "Move", exact: true }).click();
  await page.waitForFunction((before) => Date.parse(document.querySelector("#now").dateTime) >= before + 86_400_000, before);
});

step("it can be read in the light and in the dark", async () => {
  // WCAG 2.2 §1.4.3: 4.5 to 1, for every text on its own background.
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    const pairs = await page.evaluate(() => {
      const canvas = document.createElement("canvas").getContext("2d");
      const channels = (color) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
      };
      const background = (element) => {
        for (let node = element; node; node = node.parentElement) {
          const color = channels(getComputedStyle(node).backgroundColor);
          if (color[3] === 255) return color;
        }
        return [255, 255, 255, 255];
      };
      const texts = [...document.querySelectorAll("h1, h2, h3, p, label, th, td, button, input, select, output")];
      const shown = texts.filter((element) => element.checkVisibility() && (element.textContent || element.value));
      return shown.map((element) => [element.outerHTML.slice(0, 60), channels(getComputedStyle(element).color), background(element)]);
    });
    const light = ([r, g, b]) => {
      const [x, y, z] = [r, g, b].map((value) => value / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
      return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const weak = pairs.filter(([, front, back]) => {
      const [low, high] = [light(front), light(back)].sort((one, other) => one - other);
      return (high + 0.05) / (low + 0.05) < 4.5;
    });
    assert.ok(pairs.length > 50);
    assert.deepEqual(weak, [], colorScheme);
  }
});

step("nothing on it ran that should not, and no script failed", async () => {
  assert.equal(await page.title(), "Meridian, locally");
  assert.deepEqual(complaints, []);
});
