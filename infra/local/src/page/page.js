// The page under /_local. It hears of everything through one event stream and asks for what depends on what is being looked at.
// Whatever comes from outside is put in as text, never as markup.

const HOME = "/_local";
const ROWS = 500;

const at = (id) => document.getElementById(id);
const body = (id) => at(id).tBodies[0];
const time = (text) => new Date(text).toLocaleTimeString([], { hour12: false });
const hours = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "short" });
// A day of the calendar is the same everywhere.
const days = new Intl.DateTimeFormat([], { dateStyle: "medium", timeZone: "UTC" });
const units = (value) => (value === null ? "" : String(value));

// ---------------------------------------------------------------------------------------------------------------- asking

function complain(words) {
  at("problem").textContent = words;
  at("problem").hidden = !words;
}

async function ask(method, path, content) {
  const answer = await fetch(HOME + path, {
    method,
    headers: content === undefined ? {} : { "content-type": "application/json" },
    body: content === undefined ? undefined : JSON.stringify(content),
  });
  const text = await answer.text();
  const said = text && answer.headers.get("content-type")?.includes("json") ? JSON.parse(text) : text;
  if (!answer.ok) throw new Error(said?.message ?? said?.error?.message ?? `${answer.status} ${text}`);
  return said;
}

// Does something for a person, and says so if it can't be done.
async function act(deed) {
  try {
    complain("");
    await deed();
  } catch (error) {
    complain(error.message);
  }
  refresh();
}

// One call at a time; what is wanted meanwhile is done once more afterwards.
function gathered(work) {
  let isRunning = false;
  let isWanted = false;
  return async () => {
    isWanted = true;
    if (isRunning) return;
    isRunning = true;
    while (isWanted) {
      isWanted = false;
      await work().catch((error) => complain(error.message));
    }
    isRunning = false;
  };
}

// ---------------------------------------------------------------------------------------------------------------- tables

function cell(row, { text = "", kind = "" }) {
  const cell = row.insertCell();
  cell.textContent = text;
  if (kind) cell.className = kind;
  return cell;
}

// Makes a table's rows those of the items. Rows are known by their keys and only changed where they differ: whoever has the focus keeps it.
function show(id, items, { key, cells, state = () => "", actions }) {
  const table = body(id);
  const old = new Map([...table.rows].map((row) => [row.dataset.key, row]));
  items.forEach((item, index) => {
    const contents = cells(item);
    let row = old.get(key(item));
    old.delete(key(item));
    if (!row) {
      row = document.createElement("tr");
      row.dataset.key = key(item);
      for (const content of contents) cell(row, content);
      if (actions) cell(row, { kind: "actions" });
    }
    contents.forEach(({ text }, column) => {
      if (row.cells[column].textContent !== text) row.cells[column].textContent = text;
    });
    row.className = state(item);
    if (actions) buttons(row.lastElementChild, actions(item));
    if (table.rows[index] !== row) table.insertBefore(row, table.rows[index] ?? null);
  });
  for (const row of old.values()) row.remove();
}

function buttons(place, wanted) {
  const labels = wanted.map(([label]) => label).join();
  if (place.dataset.labels !== labels) {
    place.dataset.labels = labels;
    place.replaceChildren(...wanted.map(([label, name]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = label;
      button.setAttribute("aria-label", name);
      return button;
    }));
  }
  wanted.forEach(([, , deed], index) => (place.children[index].onclick = () => act(deed)));
}

// ----------------------------------------------------------------------------------------------------------- invocations

let waiting = [];

function isShown(row) {
  return row.dataset.words.includes(at("filter").value.toLowerCase());
}

function callRow(call) {
  const row = document.createElement("tr");
  row.dataset.words = `${call.function} ${call.trigger} ${call.outcome}`.toLowerCase();
  if (call.isFailed) row.className = "failed";
  cell(row, { text: time(call.at) });
  cell(row, { text: call.function });
  cell(row, { text: call.trigger, kind: "code" });
  cell(row, { text: call.ms.toFixed(1), kind: "number" });
  cell(row, { text: units(call.readUnits), kind: "number" });
  cell(row, { text: units(call.writeUnits), kind: "number" });
  cell(row, { text: call.outcome + (call.isCold ? " cold" : ""), kind: "wide" });
  row.hidden = !isShown(row);
  return row;
}

// Newest on top, a frame's worth at a time: a burst of thousands costs one layout.
function draw() {
  if (at("pause").checked || waiting.length === 0) return;
  const table = body("calls");
  table.prepend(...waiting.slice(-ROWS).reverse().map(callRow));
  waiting = [];
  while (table.rows.length > ROWS) table.deleteRow(-1);
}

at("filter").addEventListener("input", () => {
  for (const row of body("calls").rows) row.hidden = !isShown(row);
});
at("pause").addEventListener("change", draw);
at("clear").addEventListener("click", () => {
  waiting = [];
  body("calls").replaceChildren();
});

// ------------------------------------------------------------------------------------------------- queues and connections

function showState(state) {
  at("now").textContent = new Date(state.now).toLocaleString();
  at("now").dateTime = state.now;
  show("queues", state.queues, {
    key: (queue) => queue.name,
    cells: (queue) => [
      { text: queue.name },
      { text: String(queue.visible), kind: "number" },
      { text: String(queue.inFlight), kind: "number" },
      { text: String(queue.delayed), kind: "number" },
    ],
    state: (queue) => (queue.isDeadLetter && queue.visible > 0 ? "failed" : ""),
    actions: (queue) =>
      queue.canRedrive && queue.visible > 0
        ? [["Redrive", `Redrive ${queue.name}`, () => ask("POST", `/queues/${encodeURIComponent(queue.name)}/redrive`)]]
        : [],
  });
  show("messages", state.queues.flatMap((queue) => queue.messages.map((message) => ({ queue: queue.name, ...message }))), {
    key: (message) => `${message.queue} ${message.id}`,
    cells: (message) => [
      { text: message.queue },
      { text: message.group ?? "" },
      { text: String(message.received), kind: "number" },
      { text: message.state },
      { text: message.body, kind: "wide code" },
    ],
  });
  const streams = state.streams.map((stream) => ({
    id: `stream ${stream.function}`,
    kind: "stream",
    name: `${stream.function}: ${stream.open} open`,
  }));
  const sockets = state.sockets.map((socket) => ({
    id: socket.id,
    kind: "socket",
    name: `${socket.id} ${socket.userAgent}`,
    since: time(socket.connectedAt),
    last: time(socket.lastActiveAt),
  }));
  show("open", [...streams, ...sockets], {
    key: (open) => open.id,
    cells: (open) => [{ text: open.kind }, { text: open.name, kind: "wide" }, { text: open.since ?? "" }, { text: open.last ?? "" }],
  });
  at("google").hidden = !state.hasGoogle;
}

at("clock").addEventListener("submit", (event) => {
  event.preventDefault();
  act(() => ask("POST", `/clock/${event.target.elements.millis.value}`));
});

// ------------------------------------------------------------------------------------------------------------ change log

let watched = "";

const showLog = gathered(async () => {
  if (!watched) return;
  let log;
  try {
    log = await ask("GET", `/log?email=${encodeURIComponent(watched)}`);
  } catch (error) {
    // Beside the field, and again with each change: who is not there yet may come.
    at("head").textContent = error.message;
    return show("log", [], {});
  }
  at("head").textContent = `user ${log.user}, rev ${log.seq}`;
  show("log", log.entries, {
    key: (entry) => entry.key,
    cells: (entry) => [
      { text: String(entry.rev), kind: "number" },
      { text: entry.key, kind: "code" },
      { text: entry.content, kind: "wide" },
      { text: entry.state },
    ],
    state: (entry) => (entry.state === "deleted" ? "gone" : ""),
  });
});

at("user").addEventListener("submit", (event) => {
  event.preventDefault();
  watched = event.target.elements.email.value.trim();
  at("head").textContent = "";
  show("log", [], {});
  act(showLog);
});

// ---------------------------------------------------------------------------------------------------------------- Google

const account = () => at("account").elements.email.value;
const calendar = () => `/google/accounts/${encodeURIComponent(account())}/calendars/primary/events`;

function when({ start, end }) {
  if (start?.dateTime) return hours.formatRange(new Date(start.dateTime), new Date(end.dateTime));
  if (!start?.date) return "";
  const last = new Date(end.date);
  last.setUTCDate(last.getUTCDate() - 1);
  return days.formatRange(new Date(start.date), last);
}

// All-day events move by days, others by hours.
function moved(event, steps) {
  const by = (when) => {
    if (when.date) {
      const day = new Date(`${when.date}T00:00:00Z`);
      day.setUTCDate(day.getUTCDate() + steps);
      return { ...when, date: day.toISOString().slice(0, 10) };
    }
    return { ...when, dateTime: new Date(new Date(when.dateTime).getTime() + steps * 3_600_000).toISOString() };
  };
  return { start: by(event.start), end: by(event.end) };
}

const showGoogle = gathered(async () => {
  if (at("google").hidden) return;
  const accounts = await ask("GET", "/google/accounts");
  const select = at("account").elements.email;
  const emails = accounts.map((account) => account.email);
  if ([...select.options].map((option) => option.value).join() !== emails.join()) {
    const chosen = select.value;
    select.replaceChildren(...emails.map((email) => new Option(email, email)));
    if (emails.includes(chosen)) select.value = chosen;
  }
  at("account").querySelector(".empty").hidden = emails.length > 0;
  for (const control of at("create").elements) control.disabled = emails.length === 0;
  const events = emails.length === 0 ? [] : await ask("GET", calendar());
  const path = (event) => `${calendar()}/${encodeURIComponent(event.id)}`;
  show("events", events, {
    key: (event) => event.id,
    cells: (event) => [
      { text: event.summary ?? event.id, kind: "wide" },
      { text: when(event) },
      { text: [event.status, ...(event.recurrence ?? [])].join(" ") },
    ],
    state: (event) => (event.status === "cancelled" ? "gone" : ""),
    actions: (event) => {
      const name = event.summary ?? event.id;
      if (event.status === "cancelled" || !event.start) return [];
      return [
        ["Earlier", `Move ${name} earlier`, () => ask("PATCH", path(event), moved(event, -1))],
        ["Later", `Move ${name} later`, () => ask("PATCH", path(event), moved(event, 1))],
        ["Delete", `Delete ${name}`, () => ask("DELETE", path(event))],
      ];
    },
  });
});

at("account").addEventListener("change", () => showGoogle());
at("create").addEventListener("submit", (event) => {
  event.preventDefault();
  const { summary, start, minutes } = event.target.elements;
  const begins = new Date(start.value);
  const ends = new Date(begins.getTime() + minutes.valueAsNumber * 60_000);
  act(async () => {
    await ask("POST", calendar(), {
      summary: summary.value,
      start: { dateTime: begins.toISOString() },
      end: { dateTime: ends.toISOString() },
    });
    summary.value = "";
    summary.focus();
  });
});

function nextHour() {
  const next = new Date(Date.now() + 3_600_000);
  next.setMinutes(0, 0, 0);
  return new Date(next.getTime() - next.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
at("create").elements.start.value = nextHour();

// --------------------------------------------------------------------------------------------------------------- hearing

function refresh() {
  showLog();
  showGoogle();
}

const feed = new EventSource(`${HOME}/feed`);
feed.addEventListener("open", () => (at("connection").textContent = "connected"));
feed.addEventListener("error", () => (at("connection").textContent = "not connected: is the local cloud running?"));
feed.addEventListener("invocation", (event) => {
  if (waiting.length === 0) requestAnimationFrame(draw);
  waiting.push(JSON.parse(event.data));
  // Held still, it keeps no more than it would show.
  if (waiting.length > 2 * ROWS) waiting = waiting.slice(-ROWS);
});
feed.addEventListener("state", (event) => {
  showState(JSON.parse(event.data));
  refresh();
});

// As in many a tool: a slash leads to the filter.
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.matches("input, select, textarea")) return;
  event.preventDefault();
  at("filter").focus();
});
