"""Reads template.yaml for the other checks.

Intrinsics stay what they are, as one-key mappings (`!Ref X` becomes `{"Ref": "X"}`): the checks compare names and never need
values. PyYAML is the only dependency; it comes with cfn-lint.
"""

import re
import sys
from pathlib import Path

try:
    import yaml
except ImportError:
    sys.exit("PyYAML is missing: run this with the Python that has cfn-lint, as .ci/run does")

ROOT = Path(__file__).resolve().parents[2]


class _Loader(yaml.SafeLoader):
    """A loader of its own, so that the tags below are known here and nowhere else."""


def _intrinsic(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _intrinsic)


def load(path):
    """The template as plain dictionaries and lists."""
    with open(path, encoding="utf-8") as file:
        return yaml.load(file, Loader=_Loader)


def functions(template):
    """Logical id → resource, of every function, in the template's order."""
    return {
        name: resource
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def binary(resource):
    """The binary that a function is built from, or None when it does not say."""
    return resource.get("Metadata", {}).get("BuildProperties", {}).get("Binary")


def pascal(name):
    """google-notification → GoogleNotification."""
    return "".join(part.capitalize() for part in name.split("-"))


def kebab(name):
    """GoogleNotification → google-notification."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


def report(title, problems, passed):
    """Prints the outcome and ends the process: 0 when there is no problem, 1 otherwise."""
    for problem in problems:
        print(f"{title}: {problem}", file=sys.stderr)
    if problems:
        sys.exit(1)
    print(f"{title}: {passed}")
    sys.exit(0)
