"""Writes weights back into a converted model, by the names of its initializers, and records where they come from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import onnx

from zaponnx.calib.finetuning.weights import Weight
from zaponnx.graph.converted import drop_metadata, read_metadata, write_metadata
from zaponnx.provenance import FINETUNED


def put_weights(model: onnx.ModelProto, weights: Mapping[str, Weight]) -> None:
    """Gives initializers of a model the values that they have in torch; the others stay as they are.

    Args:
        model: The model; changed in place.
        weights: Initializer → its place in torch.
    """
    for tensor in model.graph.initializer:
        if tensor.name in weights:
            for field in ("float_data", "external_data", "data_location"):
                tensor.ClearField(field)
            tensor.raw_data = weights[tensor.name].values().tobytes()


def record(model: onnx.ModelProto, settings: Mapping[str, Any]) -> None:
    """Adds a fine-tuning to the model's metadata, behind earlier ones.

    Args:
        model: The model; changed in place.
        settings: How it was made, any JSON.
    """
    metadata = read_metadata(model)
    drop_metadata(model)
    finetuned = [*json.loads(metadata.get(FINETUNED, "[]")), settings]
    write_metadata(model, {**metadata, FINETUNED: json.dumps(finetuned)})
