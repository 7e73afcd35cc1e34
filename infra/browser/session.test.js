// One person, two browsers, a whole visit: the session SDK that the web app ships, against the real function binaries, across origins.
// The steps build on each other: once one has failed, the rest is skipped.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { launch, Visitor } from "./support/browser.js";
import { startCloud } from "./support/cloud.js";
import { startSite } from "./support/site.js";
import { expired, stale } from "./support/token.js";

const ADA = { email: "ada@example.com", password: "lovelace1" };
const REFRESH = "POST /api/session/refresh";
const LIST = "GET /api/event";
const CREATE = "POST /api/event";
const STREAM = "GET /api/events/stream";
const SESSION_COOKIES = ["sAccessToken", "sFrontToken", "sRefreshToken"];

let site, cloud, browser, laptop, phone, failed;

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
  await site?.stop();
  if (failed && cloud) console.error(cloud.log.slice(-40).join("\n"));
  if (cloud) assert.equal(await cloud.stop(), 0, "the local cloud ends cleanly");
});

const sessionCookies = async (visitor) => Object.keys(await visitor.cookies()).filter((name) => SESSION_COOKIES.includes(name)).sort();

// A step and no hook: a hook that fails is reported once with each test.
step("the bundle, the page and the browser start", async () => {
  site = await startSite();
  cloud = await startCloud(site.url);
  await site.bake(`${cloud.url}/api`);
  browser = await launch();
});

step("a first visit asks once for a session and takes no for an answer", async () => {
  laptop = await Visitor.arrive(browser, site.url, cloud.url);
  assert.deepEqual(laptop.statuses(REFRESH), [401]);

  assert.equal(await laptop.app("hasSession"), false);
  assert.equal((await laptop.app("call", "GET", "/event?someday=true")).status, 401);
  assert.equal(await laptop.app("hasSession"), false);
  assert.deepEqual(laptop.statuses(REFRESH), [401], "nothing asks again");
});

step("signing up opens a session that the SDK can see", async () => {
  const answer = await laptop.app("signUp", { name: "Ada Lovelace", ...ADA });
  assert.equal(answer.status, "OK");
  assert.equal(answer.user.emails[0], ADA.email);
  assert.equal(await laptop.app("hasSession"), true);
  assert.equal(await laptop.app("userId"), answer.user.id);
  await laptop.streaming();

  const cookies = await laptop.cookies();
  assert.deepEqual(await sessionCookies(laptop), SESSION_COOKIES);
  assert.ok(cookies.sAccessToken.httpOnly && cookies.sRefreshToken.httpOnly);
  assert.equal(cookies.sRefreshToken.path, "/api/session/refresh");
});

step("what was refused is said in the form, not thrown", async () => {
  const taken = await laptop.app("signUp", { name: "Ada Lovelace", ...ADA });
  assert.equal(taken.status, "FIELD_ERROR");
  assert.equal(taken.formFields[0].error, "This email already exists. Please sign in instead.");
});

step("an event shows up in the tab that made it", async () => {
  assert.equal((await laptop.app("create", "Breakfast")).status, 204);
  await laptop.shows("Breakfast");
});

step("a second browser sees what the first one does while it does it", async () => {
  phone = await Visitor.arrive(browser, site.url, cloud.url);
  const wrong = await phone.app("signIn", { ...ADA, password: "wrong horse 1" });
  assert.equal(wrong.status, "WRONG_CREDENTIALS_ERROR");
  assert.equal((await phone.app("signIn", ADA)).status, "OK");
  await phone.streaming();
  const seen = (await phone.frames()).length;

  assert.equal((await laptop.app("create", "Lunch")).status, 204);
  await phone.shows("Lunch");
  await laptop.shows("Lunch");
  const frames = (await phone.frames()).slice(seen);
  assert.ok(frames.some((frame) => frame.name === "EVENT_CHANGED"));
  assert.ok(frames.every((frame) => frame.id !== ""), "each frame says where it stands");
});

step("a reload keeps the session", async () => {
  const since = laptop.answers.length;
  await laptop.reload();
  assert.equal(await laptop.app("hasSession"), true);
  await laptop.shows("Lunch");
  await laptop.streaming();
  assert.deepEqual(laptop.statuses(REFRESH, since), []);
});

step("an access token that expired is refreshed by the SDK, and the call goes through", async () => {
  const seed = await cloud.signingKey();
  await laptop.replaceCookie("sAccessToken", (token) => expired(token, seed));
  const since = laptop.answers.length;

  assert.equal((await laptop.app("create", "Tea")).status, 204);
  assert.deepEqual(laptop.statuses(CREATE, since), [401, 204]);
  assert.deepEqual(laptop.statuses(REFRESH, since), [200]);
  const refused = laptop.answers.slice(since).find((answer) => answer.call === CREATE);
  assert.deepEqual(await refused.response.json(), { message: "try refresh token" });

  // The refresh made the page open its stream anew, with the new token.
  await laptop.streaming();
  assert.equal(laptop.statuses(STREAM, since).at(-1), 200);
  await laptop.shows("Tea");
  await phone.shows("Tea");
});

step("calls that meet the expired token together share one refresh", async () => {
  const seed = await cloud.signingKey();
  await laptop.replaceCookie("sAccessToken", (token) => expired(token, seed));
  const since = laptop.answers.length;

  const answers = await laptop.page.evaluate(() =>
    Promise.all(["/user/profile", "/user/metadata", "/event?someday=true"].map((path) => window.app.call("GET", path))),
  );
  assert.deepEqual(answers.map((answer) => answer.status), [200, 200, 200]);
  assert.deepEqual(laptop.statuses(REFRESH, since), [200]);
});

step("a session check that knows of the expiry refreshes before anything is refused", async () => {
  await laptop.replaceCookie("sFrontToken", stale);
  const since = laptop.answers.length;

  assert.equal(await laptop.app("hasSession"), true);

  assert.equal((await laptop.app("create", "Dinner")).status, 204);
  assert.deepEqual(laptop.statuses(CREATE, since), [204]);
  assert.deepEqual(laptop.statuses(REFRESH, since), [200]);
  await laptop.shows("Dinner");
  await phone.shows("Dinner");
});

step("a page that is loaded after its token expired still gets a stream", async () => {
  const seed = await cloud.signingKey();
  await laptop.replaceCookie("sAccessToken", (token) => expired(token, seed));
  const since = laptop.answers.length;
  await laptop.reload();
  await laptop.streaming();
  await laptop.shows("Dinner");
  // An EventSource gives up for good on any other status.
  assert.ok(laptop.statuses(STREAM, since).every((status) => status === 200));
});

step("signing out ends the session in this browser, and in no other", async () => {
  await laptop.app("signOut");
  assert.equal(await laptop.app("hasSession"), false);
  assert.deepEqual(await sessionCookies(laptop), []);
  const since = laptop.answers.length;
  assert.equal((await laptop.app("call", "GET", "/event?someday=true")).status, 401);
  assert.deepEqual(laptop.statuses(LIST, since), [401]);
  assert.deepEqual(laptop.statuses(REFRESH, since), [], "the SDK knows that there is nothing to refresh");

  assert.equal((await phone.app("create", "Supper")).status, 204);
  await phone.shows("Supper");
});

step("nothing was refused for its origin, and no script failed", () => {
  assert.deepEqual([...laptop.complaints, ...phone.complaints], []);
});
