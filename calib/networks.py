"""Where networks to export come from: reads a SOURCE, gives a torch module."""

from __future__ import annotations

import difflib
import importlib
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from zaponnx.calib.digits_network import DigitsNetwork, train_digits_network
from zaponnx.calib.torchvision_compat import torchvision_models
from zaponnx.errors import InvalidArgument, ModelError, RuntimeUnavailable
from zaponnx.progress import Progress, silent


def build_network(source: str, *, weights: str | None, seed: int, progress: Progress = silent) -> nn.Module:
    """Builds the network that a SOURCE names, in inference mode.

    Args:
        source: "digits", the name of a torchvision model, or "package.module:factory".
        weights: A file with a state dict, or "DEFAULT" for torchvision's own; random weights if None.
        seed: Of random weights and of the training on digits.
        progress: Told about the training.

    Raises:
        InvalidArgument: An unknown source, or weights that do not exist.
        ModelError: The network cannot be built or does not take the weights.
        RuntimeUnavailable: torchvision or the network for a download is missing.
    """
    if weights not in (None, "DEFAULT") and not Path(weights).is_file():
        raise InvalidArgument("export", f"there is no file '{weights}'", remedy="give a state dict's file, or DEFAULT")
    if weights == "DEFAULT" and (source == "digits" or ":" in source):
        raise InvalidArgument("export", f"'{source}' has no default weights", remedy="they are torchvision's")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if source == "digits":
            network: nn.Module = DigitsNetwork() if weights else train_digits_network(seed, progress=progress)
        elif ":" in source:
            network = _from_factory(source)
        else:
            network = _from_torchvision(source, weights)
    if weights not in (None, "DEFAULT"):
        _load_weights(network, Path(weights))
    return network.eval()


def _from_factory(source: str) -> nn.Module:
    module_name, _, factory_name = source.partition(":")
    try:
        with _current_directory_importable():
            factory = getattr(importlib.import_module(module_name), factory_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidArgument("export", f"cannot import it ({error})", where=source) from error
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise ModelError("export", f"its module fails with {type(error).__name__}: {error}", where=source) from error
    try:
        network = factory()
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise ModelError("export", f"fails with {type(error).__name__}: {error}", where=source) from error
    if not isinstance(network, nn.Module):
        raise ModelError("export", f"returns a {type(network).__name__}, not a torch.nn.Module", where=source)
    return network


@contextmanager
def _current_directory_importable() -> Iterator[None]:
    sys.path.insert(0, str(Path.cwd()))
    try:
        yield
    finally:
        sys.path.pop(0)


def _from_torchvision(name: str, weights: str | None) -> nn.Module:
    models = torchvision_models()
    names = models.list_models()
    if name not in names:
        close = difflib.get_close_matches(name, names)
        remedy = f"did you mean {' or '.join(close)}?" if close else "use digits, a torchvision model or module:factory"
        raise InvalidArgument("export", f"unknown source '{name}'", remedy=remedy)
    try:
        network: nn.Module = models.get_model(name, weights="DEFAULT" if weights == "DEFAULT" else None)
    except OSError as error:
        remedy = "check the network connection, or give a file to --weights"
        raise RuntimeUnavailable("export", f"cannot download {name}'s weights ({error})", remedy=remedy) from error
    return network


def torchvision_weights(source: str, weights: str | None) -> str | None:
    """torchvision's name of the weights that a SOURCE is built with, as in "ResNet18_Weights.IMAGENET1K_V1".

    None if they are none of torchvision's; a file is known by the name that torchvision publishes it under.
    """
    models = torchvision_models() if weights else None
    if models is None or source not in models.list_models():
        return None
    known = models.get_model_weights(source)
    if weights == "DEFAULT":
        return str(known.DEFAULT)
    return next((str(each) for each in known if each.url.rpartition("/")[2] == Path(str(weights)).name), None)


def _load_weights(network: nn.Module, file: Path) -> None:
    try:
        network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    except OSError as error:
        raise ModelError("export", f"cannot be read ({error.strerror or error})", where=str(file)) from error
    except pickle.UnpicklingError as error:  # its message advises to trust the file
        problem = "is no state dict, or holds more than tensors"
        raise ModelError("export", problem, where=str(file), remedy="save network.state_dict()") from error
    except (RuntimeError, EOFError, TypeError, KeyError, ValueError) as error:
        detail = " ".join(str(error).split()[:30])
        raise ModelError("export", f"is no state dict of this network ({detail})", where=str(file)) from error
