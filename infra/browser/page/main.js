// What the Compass web app does with its backend, without the calendar: the same session SDK, set up alike; the same reactions to the
// events of the session and of the stream; the list of one week on the screen. The test drives it through `window.app`.

import SuperTokens from "supertokens-web-js";
import EmailPassword from "supertokens-web-js/recipe/emailpassword";
import EmailVerification from "supertokens-web-js/recipe/emailverification";
import Session from "supertokens-web-js/recipe/session";
import ThirdParty from "supertokens-web-js/recipe/thirdparty";

// Baked in by the build, as the web app's configuration is. Ends in /api.
const API = API_BASEURL;

const STREAM_EVENTS = [
  "EVENT_CHANGED",
  "SOMEDAY_EVENT_CHANGED",
  "USER_METADATA",
  "IMPORT_GCAL_START",
  "IMPORT_GCAL_END",
  "GOOGLE_REVOKED",
];

// The web app leaves the plus of the offset unencoded, so a server that decodes forms sees a blank.
const WEEK = "start=2026-11-14T00:00:00+01:00&end=2026-11-21T23:59:59+01:00";

let stream = null;
const frames = [];

SuperTokens.init({
  appInfo: { appName: "Compass Calendar", apiDomain: API, apiBasePath: "/api" },
  recipeList: [
    ThirdParty.init(),
    EmailPassword.init(),
    EmailVerification.init(),
    Session.init({ onHandleEvent: ({ action }) => void onSessionEvent(action) }),
  ],
});

async function onSessionEvent(action) {
  if (action === "SIGN_OUT" || action === "UNAUTHORISED") return closeStream();
  if (action === "SESSION_CREATED" || action === "REFRESH_SESSION") {
    closeStream();
    openStream();
    await call("GET", "/user/metadata");
  }
}

function openStream() {
  if (stream) return;
  stream = new EventSource(API.replace(/\/api$/, "/api/events/stream"), { withCredentials: true });
  for (const name of STREAM_EVENTS) {
    stream.addEventListener(name, (event) => {
      frames.push({ name, id: event.lastEventId, data: JSON.parse(event.data) });
      if (name === "EVENT_CHANGED") void showEvents();
    });
  }
}

function closeStream() {
  stream?.close();
  stream = null;
}

// Sends what the web app sends: its content type on every call, cookies across origins. The SDK wraps `fetch`.
async function call(method, path, body) {
  const response = await fetch(API + path, {
    method,
    credentials: "include",
    headers: { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? null : JSON.parse(text) };
}

async function showEvents() {
  const { status, body } = await call("GET", `/event?${WEEK}`);
  if (status !== 200) return;
  const items = body.map((event) => {
    const item = document.createElement("li");
    item.textContent = event.title;
    return item;
  });
  document.getElementById("events").replaceChildren(...items);
}

const fields = (values) => Object.entries(values).map(([id, value]) => ({ id, value }));

window.app = {
  call,
  frames,
  signUp: (values) => EmailPassword.signUp({ formFields: fields(values) }),
  signIn: (values) => EmailPassword.signIn({ formFields: fields(values) }),
  signOut: () => Session.signOut(),
  hasSession: () => Session.doesSessionExist(),
  userId: () => Session.getUserId(),
  isStreaming: () => stream?.readyState === EventSource.OPEN,

  // As the web app sends an event that was just drawn on the grid: an id of its own, a user that is not to be believed, and keys that
  // only its screen needs. It shows up only because the stream says that something changed.
  create(title) {
    const random = crypto.getRandomValues(new Uint8Array(12));
    return call("POST", "/event", {
      _id: Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join(""),
      title,
      description: "",
      startDate: "2026-11-16T09:00:00+01:00",
      endDate: "2026-11-16T09:15:00+01:00",
      isAllDay: false,
      isSomeday: false,
      origin: "compass",
      priority: "unassigned",
      user: "UNAUTHENTICATED_USER",
      position: { isOverlapping: false, totalEventsInGroup: 1, widthMultiplier: 1, horizontalOrder: 1 },
      hasFlipped: false,
    });
  },
};

if (await Session.doesSessionExist()) {
  openStream();
  await showEvents();
}
document.body.dataset.ready = "true";
