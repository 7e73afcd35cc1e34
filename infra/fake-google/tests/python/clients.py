"""Two clients that were written against the real Google work against the fake: Google's own for Python, and gcal-sync (Home Assistant's).

    python clients.py PATH-OF-THE-FAKE-GOOGLE-BINARY

Needs google-api-python-client and gcal-sync; `.ci/run` installs them. Prints one line for each check; the first that fails ends it.
"""

import asyncio
import json
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import aiohttp
from gcal_sync.api import GoogleCalendarService, ListEventsRequest, LocalListEventsRequest, Range
from gcal_sync.auth import AbstractAuth
from gcal_sync.model import DateOrDatetime, Event
from gcal_sync.sync import CalendarEventSyncManager, CalendarListSyncManager
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

SCOPES = "email https://www.googleapis.com/auth/calendar"
REDIRECT = "http://localhost:9080/callback"


class Fake:
    """A running fake, its administration, and tokens for its accounts."""

    def __init__(self, binary):
        self.process = subprocess.Popen([binary], stdout=subprocess.PIPE, text=True)
        lines = (self.process.stdout.readline().strip() for _ in range(7))
        self.variables = dict(line.split("=", 1) for line in lines)
        self.calendar = self.variables["GOOGLE_CALENDAR_URL"]
        self.url = self.calendar.removesuffix("/calendar/v3")

    def admin(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}/_fake/{path}", data, {"content-type": "application/json"}, method=method)
        with urlopen(request) as response:
            text = response.read()
        return json.loads(text) if text else None

    def tokens(self, email):
        """The tokens of a new account in New York."""
        self.admin("POST", "accounts", {"email": email, "timeZone": "America/New_York"})
        consent = {"email": email, "scopes": SCOPES, "redirectUri": REDIRECT}
        code = self.admin("POST", "consent", consent)["code"]
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT,
            "client_id": self.variables["GOOGLE_CLIENT_ID"],
            "client_secret": self.variables["GOOGLE_CLIENT_SECRET"],
        }
        with urlopen(self.variables["GOOGLE_OAUTH_TOKEN_URL"], urlencode(form).encode()) as response:
            return json.load(response)

    def seen(self, email):
        """What a person sees in March 2026: pairs of UTC start and title."""
        query = urlencode({"from": "2026-03-01T00:00:00Z", "to": "2026-04-01T00:00:00Z"})
        events = self.admin("GET", f"accounts/{email}/calendars/primary/occurrences?{query}")
        utc = lambda event: datetime.fromisoformat(event["start"]["dateTime"]).astimezone(timezone.utc)
        return [(utc(event), event.get("summary")) for event in events]


def check(what, is_so):
    print(f"{'ok' if is_so else 'FAILED'}: {what}")
    if not is_so:
        sys.exit(1)


def refusal(request):
    """Status and reason with which a request is refused."""
    try:
        request.execute()
    except HttpError as error:
        return error.status_code, error.error_details[0]["reason"]
    return None


def googles_client(fake):
    email = "ada@example.com"
    tokens = fake.tokens(email)
    fake.admin("POST", f"accounts/{email}/expire-tokens")
    credentials = Credentials(
        tokens["access_token"],
        refresh_token=tokens["refresh_token"],
        token_uri=fake.variables["GOOGLE_OAUTH_TOKEN_URL"],
        client_id=fake.variables["GOOGLE_CLIENT_ID"],
        client_secret=fake.variables["GOOGLE_CLIENT_SECRET"],
    )
    options = {"api_endpoint": f"{fake.calendar}/"}
    service = build("calendar", "v3", credentials=credentials, client_options=options, static_discovery=True)
    calendars = service.calendarList().list().execute()["items"]
    check("an expired access token is refreshed", calendars[0]["id"] == email)

    events = service.events()
    time = lambda text: {"dateTime": f"2026-03-{text}:00", "timeZone": "America/New_York"}
    series = events.insert(
        calendarId="primary",
        sendUpdates="none",
        body={
            "id": "standup0",
            "summary": "Stand-up",
            "start": time("05T09:00"),
            "end": time("05T09:15"),
            "recurrence": ["RRULE:FREQ=DAILY;COUNT=6"],
        },
    )
    check("an event is inserted", series.execute()["iCalUID"] == "standup0@google.com")
    check("an id is taken once", refusal(series) == (409, "duplicate"))
    page = events.list(calendarId="primary", singleEvents=True, orderBy="startTime", maxResults=4)
    found = []
    while page is not None:
        answer = page.execute()
        found += answer["items"]
        page = events.list_next(page, answer)
    check("all pages of the instances are read", len(found) == 6)
    instance = events.instances(calendarId="primary", eventId="standup0").execute()["items"][2]
    sync_token = events.list(calendarId="primary").execute()["nextSyncToken"]
    instance["summary"] = "Retro"
    update = events.update(calendarId="primary", eventId=instance["id"], body=instance)
    update.headers["If-Match"] = instance["etag"]
    check("an instance becomes an exception", update.execute()["recurringEventId"] == "standup0")
    check("a stale etag is refused", refusal(update) == (412, "conditionNotMet"))
    events.patch(calendarId="primary", eventId=found[4]["id"], body={"status": "cancelled"}).execute()
    delta = events.list(calendarId="primary", syncToken=sync_token).execute()["items"]
    check("the changes are a series and two exceptions", len(delta) == 3)
    check("an ordered delta is refused", refusal(events.list(calendarId="primary", syncToken=sync_token, q="x"))[0] == 400)
    fake.admin("POST", f"calendars/{email}/invalidate-sync-tokens")
    stale = events.list(calendarId="primary", syncToken=sync_token)
    check("a sync token ends", refusal(stale) == (410, "fullSyncRequired"))

    imported = events.import_(
        calendarId="primary",
        body={"iCalUID": "x@elsewhere", "start": time("10T12:00"), "end": time("10T13:00")},
    ).execute()
    other = fake.admin("POST", f"accounts/{email}/calendars", {"summary": "Other"})["id"]
    moved = events.move(calendarId="primary", eventId=imported["id"], destination=other).execute()
    check("an imported event moves", moved["id"] == imported["id"])
    body = {"id": "channel-1", "type": "web_hook", "address": "http://127.0.0.1:9/hook", "params": {"ttl": "60"}}
    channel = events.watch(calendarId="primary", body=body).execute()
    stop = {"id": "channel-1", "resourceId": channel["resourceId"]}
    check("a channel opens and stops", service.channels().stop(body=stop).execute() == "")
    delete = events.delete(calendarId="primary", eventId="standup0", sendUpdates="none")
    delete.execute()
    check("what is deleted is gone", refusal(delete) == (410, "deleted"))


async def gcal_sync(fake):
    email = "bob@example.com"
    access_token = fake.tokens(email)["access_token"]

    class Auth(AbstractAuth):
        async def async_get_access_token(self):
            return access_token

    async with aiohttp.ClientSession() as session:
        service = GoogleCalendarService(Auth(session, fake.calendar))
        calendars = CalendarListSyncManager(service)
        await calendars.run()
        listed = (await calendars.store_service.async_list_calendars()).calendars
        check("gcal-sync lists calendars", [calendar.id for calendar in listed] == [email])

        manager = CalendarEventSyncManager(service, email)
        store = manager.store_service
        begin = datetime(2026, 3, 5, 14, tzinfo=timezone.utc)
        march = LocalListEventsRequest(start_time=datetime(2026, 3, 1, tzinfo=timezone.utc), end_time=datetime(2026, 4, 1, tzinfo=timezone.utc))
        point = lambda at: DateOrDatetime(date_time=at, timezone="America/New_York")
        series = {"start": point(begin), "end": point(begin + timedelta(hours=1)), "recurrence": ["RRULE:FREQ=DAILY;COUNT=10"]}
        await store.async_add_event(Event(summary="Stand-up", **series))

        async def agreed(what):
            await manager.run()
            events = (await store.async_list_events(march)).events
            own = [(event.start.value.astimezone(timezone.utc), event.summary) for event in events]
            check(f"gcal-sync sees {what} as the fake does ({len(own)})", own == fake.seen(email) and own)
            return events

        events = await agreed("a series over a change of the clock")
        remote = await service.async_list_events(ListEventsRequest(calendar_id=email, start_time=march.start_time, end_time=march.end_time))
        check("gcal-sync lists instances", len(remote.items) == 10)
        path = f"accounts/{email}/calendars/primary/events"
        fake.admin("PATCH", f"{path}/{events[3].id}", {"summary": "Retro"})
        await agreed("an exception")
        await store.async_delete_event(events[5].ical_uuid, events[5].id)
        await agreed("a cancelled instance")
        fake.admin("PATCH", f"{path}/{events[7].id}?scope=following", {"summary": "New"})
        await agreed("a split series")
        fake.admin("POST", f"calendars/{email}/invalidate-sync-tokens")
        await agreed("all of it after its sync token has ended")
        await store.async_delete_event(events[6].ical_uuid, events[6].id, Range.THIS_AND_FUTURE)
        await agreed("what is left of a shortened series")


def main(binary):
    fake = Fake(binary)
    try:
        googles_client(fake)
        asyncio.run(gcal_sync(fake))
        violations = fake.admin("GET", "violations")
        for entry in violations:
            print(entry["operation"], entry["violations"])
        check("the discovery document allows all that they have sent", not violations)
    except HTTPError as error:
        print(error.read().decode())
        raise
    finally:
        fake.process.terminate()


main(sys.argv[1])
