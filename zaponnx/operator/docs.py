"""Writes docs/operators.md from the schemas: `python -m zaponnx.operator.docs > docs/operators.md`."""

from __future__ import annotations

from collections.abc import Iterable

from onnx.defs import OpSchema

from zaponnx.operator import ATTRIBUTES, DOMAIN, MIN_OPSET, OPERATORS, VERSION
from zaponnx.operator.schema import build_schema

_HEADER = f"""# Operators

Domain `{DOMAIN}`, version {VERSION}. This file is generated from the operators' schemas.

Every converted model carries the formula as a function body in ONNX operators, which any runtime with ONNX opset
{MIN_OPSET} or later can run. With zaponnx's library registered, ONNX Runtime uses its kernel instead.
"""


def render() -> str:
    """The whole document, in Markdown."""
    return "\n".join([_HEADER, *(_render_operator(build_schema(operator)) for operator in OPERATORS)])


def _render_operator(schema: OpSchema) -> str:
    inputs = [(value.name, value.description) for value in schema.inputs]
    outputs = [(value.name, value.description) for value in schema.outputs]
    attributes = [
        (name, str(schema.attributes[name].type).rpartition(".")[2].lower(), schema.attributes[name].description)
        for name in ATTRIBUTES
    ]
    types = "; ".join(", ".join(constraint.allowed_type_strs) for constraint in schema.type_constraints)
    return "\n".join(
        [
            f"## {schema.name}\n",
            f"{schema.doc}",
            "### Inputs\n",
            _table(("Name", "Meaning"), inputs),
            "### Outputs\n",
            _table(("Name", "Meaning"), outputs),
            f"All tensors are of type `{types}`.\n",
            "### Attributes\n",
            "All are required.\n",
            _table(("Name", "Type", "Meaning"), attributes),
        ]
    )


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *((f"`{name}`", *rest) for name, *rest in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


if __name__ == "__main__":
    print(render(), end="")
