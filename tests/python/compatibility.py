"""`docs/s3-compatibility.toml`, beside the model of S3 that boto3 has."""

import pathlib
import tomllib

FILE = pathlib.Path(__file__).parents[2] / "docs" / "s3-compatibility.toml"


def operations():
    """What the file says of each operation."""
    sections = tomllib.loads(FILE.read_text())
    sections.pop("everywhere")
    return sections


def members(s3, operation):
    """The names of an operation's parameters."""
    shape = s3.meta.service_model.operation_model(operation).input_shape
    return shape.members if shape else {}


def served_alike(s3, parameter):
    """The operations that have a parameter of `[everywhere]`, and no test of their own for it."""
    names = set()
    for operation, entry in operations().items():
        own = [name for shown in entry.get("tests", {}).values() for name in shown]
        if (
            entry["status"] == "implemented"
            and operation in s3.meta.service_model.operation_names
            and parameter in members(s3, operation)
            and parameter not in own
        ):
            names.add(operation)
    return names
