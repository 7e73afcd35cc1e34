#!/usr/bin/env python3
"""What a month costs, as Markdown: `python3 infra/deploy/cost.py > infra/docs/cost.md`.

Units of the store, list prices, and a model of what people do; all three are printed, so that each can be doubted by itself. Change the
numbers here when a deployment's own bill says otherwise.
"""

# What happens → read units, write units, rounds of calls to the store. A scenario compares each of them with what the real functions count
# (infra/scenarios/tests/scenarios/cost.rs reads these lines).
UNITS = {
    "an event is edited": (5, 7, 2),
    "a week is listed (100 events)": (11, 0, 2),
    "a small request, such as metadata": (1, 0, 1),
    "a ticket is drawn": (1, 1, 2),
    "a socket is opened": (3, 6, 4),
    "hello, or a ping with a cursor; nothing was missed": (4, 0, 2),
    "a socket is closed": (1, 4, 2),
    "`fanout` asks who is connected": (1, 0, 1),
    "a stream is opened again; nothing was missed": (2, 0, 1),
    "an open stream looks, and nothing is new": (1, 0, 1),
    "a schedule finds nothing due (`sweep`)": (17, 0, 2),
    "Google tells of a change (`google-notification`)": (1, 0, 1),
    "an event that is new at Google is read": (7, 16, 6),
    "Google is asked and nothing has changed": (5, 2, 5),
}
EDIT, LIST, SMALL, TICKET, CONNECT, HELLO, DISCONNECT, FANOUT, OPEN, POLL, SWEEP, *GOOGLE = UNITS

# List prices in dollars: us-east-1, on demand, Lambda on arm64, no free tier. Per million unless the name says otherwise.
PRICES = {
    "invocations": 0.20,
    "GB-second": 0.0000133334,
    "HTTP API requests": 1.00,
    "distribution requests": 1.00,
    "WebSocket messages": 1.00,
    "connection minutes": 0.25,
    "read units": 0.125,
    "write units": 0.625,
    "GB-month of table with recovery": 0.45,
    "GB of logs": 0.50,
    "scheduled events": 1.00,
    "metric of an alarm": 0.10,
}

# What somebody does in a month, and how the bundle behaves.
HOURS, VISITS, REQUESTS_A_VISIT, EDITS, STORED_GB, PINGS_AN_HOUR = 40, 40, 6, 160, 0.0005, 12
OWN_SECONDS, ROUND_SECONDS, MEMORY_GB, LOGGED_GB = 0.002, 0.005, 0.25, 900e-9
RETRY, LINGER, LOOK, LONGEST_STREAM, LONGEST_SOCKET_HOURS = 5, 20, 1, 890, 2
ALARM_METRICS = 20  # four alarms of one metric, and two that add up the errors of sixteen functions


def price(name):
    return PRICES[name] / 1e6


def store(what, times=1):
    reads, writes, _ = UNITS[what]
    return times * (reads * price("read units") + writes * price("write units"))


def brief(what):
    return OWN_SECONDS + ROUND_SECONDS * UNITS[what][2]


def function(seconds):
    """One invocation that lasts so long, without what it does to the store."""
    return price("invocations") + seconds * MEMORY_GB * PRICES["GB-second"] + LOGGED_GB * PRICES["GB of logs"]


def invocation(what):
    return function(brief(what)) + store(what)


def request(what):
    return price("HTTP API requests") + price("distribution requests") + invocation(what)


def base():
    """What everybody costs, however they hear of changes: each edit is fanned out, and one tab lists its week again."""
    edits = EDITS * (request(EDIT) + invocation(FANOUT) + request(LIST))
    return edits + VISITS * REQUESTS_A_VISIT * request(SMALL) + STORED_GB * PRICES["GB-month of table with recovery"]


def socket():
    message = price("WebSocket messages")
    connects = VISITS + HOURS / LONGEST_SOCKET_HOURS
    connect = request(TICKET) + invocation(CONNECT) + invocation(HELLO) + invocation(DISCONNECT) + 3 * message
    pings = HOURS * PINGS_AN_HOUR * (invocation(HELLO) + 2 * message)
    return connects * connect + pings + EDITS * message + HOURS * 60 * price("connection minutes")


def stream(seconds, looks):
    return price("distribution requests") + function(seconds) + store(OPEN) + store(POLL, looks)


def poll():
    return HOURS * 3600 / RETRY * stream(brief(OPEN), 0)


def burst():
    busy = min(EDITS * LINGER, HOURS * 3600)
    return busy / LINGER * stream(LINGER, LINGER / LOOK) + (HOURS * 3600 - busy) / RETRY * stream(brief(OPEN), 0)


def hold():
    return HOURS * 3600 / LONGEST_STREAM * stream(LONGEST_STREAM, LONGEST_STREAM / LOOK)


def idle():
    runs = 30 * 24 * (60 / 5 + 1)
    return runs * (invocation(SWEEP) + price("scheduled events")) + ALARM_METRICS * PRICES["metric of an alarm"]


TRANSPORTS = {"WebSocket": socket, "SSE, poll": poll, "SSE, burst": burst, "SSE, hold": hold}


def main():
    print("# Cost\n\nPrinted by `python3 infra/deploy/cost.py`.\n\n## Units of the store\n")
    print("As the real functions count them: a scenario compares each row (`infra/scenarios/tests/scenarios/cost.rs`).\n")
    print("| what happens | read units | write units | rounds |\n|---|---|---|---|")
    for what, (reads, writes, rounds) in UNITS.items():
        print(f"| {what} | {reads} | {writes} | {rounds} |")
    print("\n## Assumed\n")
    print(f"Per person and month: a tab open for {HOURS} hours in {VISITS} visits of {REQUESTS_A_VISIT} requests; {EDITS} edits, each told to one tab,")
    print(f"which lists its week again; {STORED_GB * 1000:g} MB stored; {PINGS_AN_HOUR} pings an hour on a socket. An invocation takes {OWN_SECONDS * 1000:g} ms, and {ROUND_SECONDS * 1000:g} ms")
    print(f"for each round of calls to the store, at {MEMORY_GB * 1000:g} MB, and logs {LOGGED_GB * 1e9:g} bytes. Nobody uses Google. Prices in dollars, us-east-1, no free tier, per")
    print("million where nothing else is said: " + ", ".join(f"{name} {amount:g}" for name, amount in PRICES.items()) + ".")
    print("\n## A month\n")
    print("| people | without hearing of changes | " + " | ".join(f"with {name}" for name in TRANSPORTS) + " |")
    print("|---|---|" + "---|" * len(TRANSPORTS))
    print(f"| nobody | ${idle():.2f} |" + " – |" * len(TRANSPORTS))
    for people in (1_000, 100_000, 10_000_000):
        without = idle() + people * base()
        cells = [without, *(without + people * hearing() for hearing in TRANSPORTS.values())]
        print(f"| {people:,} | " + " | ".join(f"${cell:,.0f}" for cell in cells) + " |")
    print(f"\nNobody's month is two schedules and six alarms on {ALARM_METRICS} metrics; ten of an account are free.\n\n## An hour of an open tab\n")
    print("| transport | dollars | times a socket's |\n|---|---|---|")
    for name, hearing in TRANSPORTS.items():
        print(f"| {name} | {hearing() / HOURS:.6f} | {hearing() / socket():.1f} |")
    print("\nA stream that is held pays for a function that waits; one that ends pays for coming back every five seconds. Where one process serves many streams")
    print("(`AWS_LAMBDA_MAX_CONCURRENCY`), the time of `hold` is shared by all of them, and its reads by the tabs of a user.")


if __name__ == "__main__":
    main()
