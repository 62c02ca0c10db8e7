"""What onnx.checker accepts and no one can work with: broken text, unknown types, data of a wrong length."""

from __future__ import annotations

import onnx
from google.protobuf.message import Message

from zaponnx.traversal import tensors
from zaponnx.weights import data_bytes, extent

_TYPES = ("elem_type", "data_type")
"""The fields of ONNX's messages that are a tensor's type."""


def unsoundness(model: onnx.ModelProto) -> str:
    """What is wrong with a model that was parsed, "" if nothing is."""
    return _field_problem(model, "model") or next(filter(None, map(_data_problem, tensors(model))), "")


def tensor_problem(tensor: onnx.TensorProto) -> str:
    """What is wrong with a tensor that was parsed on its own, "" if nothing is."""
    return _field_problem(tensor, "tensor") or _data_problem(tensor)


def _field_problem(message: Message, place: str) -> str:
    """What is wrong with a message, at any depth: text that is not UTF-8, or a type that ONNX does not have."""
    for field, value in message.ListFields():
        inside = f"{place}.{field.name}"
        values = [value] if isinstance(value, str | bytes | int | float | Message) else value
        for each in values:
            if isinstance(each, Message):
                problem = _field_problem(each, inside)
                if problem:
                    return problem
            elif isinstance(each, bytes):
                if field.type == field.TYPE_STRING:  # So protobuf gives text that it cannot decode.
                    return f"{inside} is not valid UTF-8"
            elif field.name in _TYPES and each not in onnx.TensorProto.DataType.values():
                return f"{inside} is the unknown type {each}"
    if isinstance(message, onnx.AttributeProto) and not _is_text(message):
        return f"the text of attribute '{message.name}' is not valid UTF-8"
    return ""


def _is_text(attribute: onnx.AttributeProto) -> bool:
    """Whether all text in an attribute can be decoded."""
    try:
        for text in (attribute.s, *attribute.strings):
            text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _data_problem(tensor: onnx.TensorProto) -> str:
    """What is wrong with where and how long a tensor's data are, "" if nothing is."""
    try:
        data = extent(tensor)
        if data is None and not tensor.HasField("raw_data"):
            return ""  # The data are in a field of their type, and known to onnx.checker.
        length, expected = len(tensor.raw_data) if data is None else data.length, data_bytes(tensor)
    except ValueError as error:
        return f"tensor '{tensor.name}': {error}"
    return "" if length == expected else f"tensor '{tensor.name}': it has {length} bytes of data in place of {expected}"
