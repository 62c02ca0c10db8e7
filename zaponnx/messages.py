"""Protobuf messages: copies some of their fields."""

from __future__ import annotations

from collections.abc import Container

from google.protobuf.message import Message


def copy_fields(source: Message, target: Message, without: Container[str]) -> None:
    """Copies the fields of a message that are set, but for some, to another of the same kind; lists are extended."""
    for field, value in source.ListFields():
        if field.name in without:
            continue
        if isinstance(value, str | bytes | int | float):
            setattr(target, field.name, value)
        elif isinstance(value, Message):
            getattr(target, field.name).CopyFrom(value)
        else:
            getattr(target, field.name).extend(value)


def fill(source: Message, target: Message) -> None:
    """Copies the fields of a message that are not set in another of the same kind."""
    copy_fields(source, target, {field.name for field, _ in target.ListFields()})
