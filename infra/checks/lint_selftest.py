#!/usr/bin/env python3
"""Shows that the linter still bites: broken.template.yaml must be refused, fault by fault.

Releases of cfn-lint differ in what they find; one that has gone blind would wave template.yaml through and nobody would notice.
Each fault of the broken template is marked with the rule that has to find it, on the line that is reported.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

import sam

MARK = re.compile(r"# refused: (?P<rule>[EWI]\d{4})\s*$")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--cfn-lint", default="cfn-lint", help="the program to test; default: cfn-lint on the PATH")
    arguments.add_argument(
        "--template",
        type=Path,
        default=Path(__file__).with_name("broken.template.yaml"),
        help="default: broken.template.yaml beside this script",
    )
    options = arguments.parse_args()

    marked = set(marks(options.template))
    if not marked:
        sys.exit(f"{options.template} marks no fault")
    found = findings(options.cfn_lint, options.template)
    problems = [f"{rule} on line {line} was not found" for line, rule in sorted(marked - found)]
    sam.report("lint self-test", problems, f"all {len(marked)} faults of the broken template were found")


def marks(path):
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if match := MARK.search(line):
            yield number, match["rule"]


def findings(program, path):
    """(line, rule) of all that the linter reports. Its exit code says nothing more than that there is something."""
    run = subprocess.run([program, "--format", "json", str(path)], capture_output=True, text=True, check=False)
    try:
        reported = json.loads(run.stdout)
    except ValueError:
        sys.exit(f"{program} did not answer in JSON:\n{run.stdout}{run.stderr}")
    return {(entry["Location"]["Start"]["LineNumber"], entry["Rule"]["Id"]) for entry in reported}


if __name__ == "__main__":
    sys.exit(main())
