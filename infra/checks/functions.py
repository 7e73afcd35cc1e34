#!/usr/bin/env python3
"""Every function of the template has its folder, every folder its function, and the names agree everywhere.

One name runs through: folder under functions/, binary in its Cargo.toml, Binary in template.yaml, logical id (PascalCase). Also
checked, because no linter does: each function has a log group and counts in an alarm, and the sync queue hides a message for six
times the time-out of the function that works on it.
"""

import argparse
import sys
import tomllib
from pathlib import Path

import sam


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--template", type=Path, default=sam.ROOT / "template.yaml", help="default: template.yaml of the repository")
    arguments.add_argument("--functions", type=Path, default=sam.ROOT / "functions", help="default: functions/ of the repository")
    options = arguments.parse_args()

    template = sam.load(options.template)
    functions = sam.functions(template)
    folders = {path.parent.name: path for path in sorted(options.functions.glob("*/Cargo.toml"))}
    problems = [
        *names(functions),
        *missing(functions, folders),
        *manifests(folders),
        *watched(template, functions),
        *visibility(template, functions),
    ]
    sam.report("functions", problems, f"{len(functions)} functions, each with its folder, binary, log group and alarm")


def names(functions):
    for name, resource in functions.items():
        binary = sam.binary(resource)
        if binary is None:
            yield f"{name} in the template names no Binary (Metadata, BuildProperties)"
        elif sam.pascal(binary) != name:
            yield f"{name} in the template builds {binary}; its logical id should be {sam.pascal(binary)}"
        if resource.get("Metadata", {}).get("BuildMethod") != "rust-cargolambda":
            yield f"{name} in the template is not built by rust-cargolambda"


def missing(functions, folders):
    binaries = {sam.binary(resource) for resource in functions.values()} - {None}
    for name in sorted(binaries - set(folders)):
        yield f"the template has {name}, but functions/{name}/Cargo.toml does not exist"
    for name in sorted(set(folders) - binaries):
        yield f"functions/{name} exists, but no function of the template builds it"


def manifests(folders):
    for name, path in folders.items():
        manifest = tomllib.loads(path.read_text(encoding="utf-8"))
        package = manifest["package"]["name"]
        if package != f"{name}-function":
            yield f"functions/{name}: the package is {package}, expected {name}-function"
        binaries = [entry.get("name") for entry in manifest.get("bin", [])]
        if binaries != [name]:
            yield f"functions/{name}: [[bin]] is {binaries}, expected exactly [{name!r}]"


def watched(template, functions):
    counted = set()
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::CloudWatch::Alarm":
            for metric in resource["Properties"].get("Metrics", []):
                for dimension in metric.get("MetricStat", {}).get("Metric", {}).get("Dimensions", []):
                    counted.add(dimension["Value"].get("Ref"))
    for name, resource in functions.items():
        group = resource["Properties"].get("LoggingConfig", {}).get("LogGroup", {}).get("Ref")
        if template["Resources"].get(group, {}).get("Type") != "AWS::Logs::LogGroup":
            yield f"{name} has no log group of its own: its logs would be kept for ever"
        if name not in counted:
            yield f"{name} is in no alarm on function errors"


def visibility(template, functions):
    default = template["Globals"]["Function"]["Timeout"]
    for name, resource in functions.items():
        for event in resource["Properties"].get("Events", {}).values():
            if event["Type"] != "SQS":
                continue
            queue = event["Properties"]["Queue"]["Fn::GetAtt"].split(".")[0]
            least = 6 * resource["Properties"].get("Timeout", default)
            hidden = template["Resources"][queue]["Properties"]["VisibilityTimeout"]
            if hidden < least:
                yield f"{queue} hides a message for {hidden} s; {name} needs {least} s (six times its time-out)"


if __name__ == "__main__":
    sys.exit(main())
