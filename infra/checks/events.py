#!/usr/bin/env python3
"""Every trigger of the template has a sample under events/, and every sample belongs to a trigger.

The sample of event `Create` of function `event` is events/event.create.json; the sample of a Lambda URL is
events/<function>.url.json, that of a WebSocket API's route $connect events/<function>.connect.json. Further samples of the same trigger carry a suffix: events/event.create-many.json.
"""

import argparse
import json
import re
import sys
from pathlib import Path

import sam

SOURCES = {"SQS": "aws:sqs", "DynamoDB": "aws:dynamodb"}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--template", type=Path, default=sam.ROOT / "template.yaml", help="default: template.yaml of the repository")
    arguments.add_argument("--events", type=Path, default=sam.ROOT / "events", help="default: events/ of the repository")
    options = arguments.parse_args()

    template = sam.load(options.template)
    triggers = dict(expected(sam.functions(template))) | dict(routes(template["Resources"]))
    problems, samples = [], sorted(options.events.glob("*.json"))
    for name in triggers:
        if not (options.events / f"{name}.json").exists():
            problems.append(f"events/{name}.json is missing")
    for path in samples:
        problems += judge(path, triggers)
    sam.report("events", problems, f"{len(samples)} samples for {len(triggers)} triggers")


def expected(functions):
    """Sample name → what it is a sample of."""
    for resource in functions.values():
        function, properties = sam.binary(resource), resource["Properties"]
        for name, event in properties.get("Events", {}).items():
            yield f"{function}.{sam.kebab(name)}", event
        if "FunctionUrlConfig" in properties:
            yield f"{function}.url", {"Type": "Url"}


def routes(resources):
    """The same of the routes of a WebSocket API."""
    for resource in resources.values():
        if resource["Type"] != "AWS::ApiGatewayV2::Route":
            continue
        integration = re.search(r"\$\{(\w+)\}", resource["Properties"]["Target"]["Fn::Sub"])[1]
        function = re.search(r"\$\{(\w+)\.Arn\}", resources[integration]["Properties"]["IntegrationUri"]["Fn::Sub"])[1]
        key = resource["Properties"]["RouteKey"]
        yield f"{sam.binary(resources[function])}.{key.strip('$')}", {"Type": "WebSocket", "RouteKey": key}


def judge(path, triggers):
    try:
        sample = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        return [f"events/{path.name} is not JSON: {error}"]
    # The longest name wins: `event.list-someday` is a further sample of `event.list`.
    names = [name for name in triggers if path.stem == name or path.stem.startswith(f"{name}-")]
    if not names:
        return [f"events/{path.name} is a sample of no trigger in the template"]
    return [f"events/{path.name}: {problem}" for problem in fits(sample, triggers[max(names, key=len)])]


def fits(sample, trigger):
    kind = trigger["Type"]
    if kind == "HttpApi":
        method, path = trigger["Properties"]["Method"], trigger["Properties"]["Path"]
        yield from request(sample, "$default" if path == "$default" else f"{method} {path}")
    elif kind == "Url":
        yield from request(sample, "$default")
    elif kind in SOURCES:
        if {record.get("eventSource") for record in sample.get("Records", [])} != {SOURCES[kind]}:
            yield f"its records are not from {SOURCES[kind]}"
    elif kind == "WebSocket":
        context = sample.get("requestContext", {})
        if context.get("routeKey") != trigger["RouteKey"] or not context.get("connectionId"):
            yield f"it is no event of the route {trigger['RouteKey']}"
    elif kind == "ScheduleV2":
        if sample.get("source") != "aws.scheduler":
            yield "it does not come from aws.scheduler"
    else:
        yield f"this check does not know triggers of type {kind}"


def request(sample, route):
    if sample.get("version") != "2.0":
        yield "it is not payload version 2.0"
    for key in (sample.get("routeKey"), sample.get("requestContext", {}).get("routeKey")):
        if key != route:
            yield f"its routeKey is {key!r}, the template's is {route!r}"
    http = sample.get("requestContext", {}).get("http", {})
    if http.get("path") != sample.get("rawPath"):
        yield "rawPath and requestContext.http.path differ"
    if route != "$default":
        method, path = route.split(" ")
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.sub(r"\\\{\w+\\\+\\\}", ".+", re.escape(path)))
        if http.get("method") != method or not re.fullmatch(pattern, sample.get("rawPath", "")):
            yield f"{http.get('method')} {sample.get('rawPath')} does not match {route}"


if __name__ == "__main__":
    sys.exit(main())
