"""The package commands' results as text for people: one function per command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zaponnx.tables import percent, table

if TYPE_CHECKING:
    from zaponnx.packaging.checking import PackageCheck
    from zaponnx.packaging.manifest import Manifest, PackedModel
    from zaponnx.packaging.packing import Packed
    from zaponnx.packaging.unpacking import Unpacked
    from zaponnx.packaging.zoo_commands import Fetched, ZooListing


def pack(packed: Packed) -> str:
    """What is in the package, and how it was checked."""
    lines = [verify(packed.check)]
    if packed.sha256 is not None:
        lines.append(f"SHA-256 {packed.sha256}")
    return "\n".join(lines)


def verify(check: PackageCheck) -> str:
    """The models, and what was run."""
    rows = [
        [model.name, *_worth(packed), f"{model.difference:.1e}"]
        for model, packed in zip(check.models, check.manifest.models, strict=True)
    ]
    ran = " and ".join(check.models[0].ran)
    return "\n".join(
        [
            table([*_HEADER, "difference"], rows),
            "",
            f"{check.package}: {_size(check.manifest)}, all as the manifest says",
            f"test data run by the {ran}, on {', '.join(check.providers)}: all within {check.tolerance:g} of the "
            "outputs' largest values",
        ]
    )


def unpack(unpacked: Unpacked) -> str:
    """What was written."""
    rows = [[model.name, *_worth(model)] for model in unpacked.manifest.models]
    return f"{table(_HEADER, rows)}\n\n{unpacked.output}: {_size(unpacked.manifest)}"


def zoo_list(listing: ZooListing) -> str:
    """The packages, with their operating points."""
    rows = [
        [f"{entry.manifest.name}/{model.name}", *_worth(model)]
        for entry in listing.entries
        for model in entry.manifest.models
    ]
    lines = [table(["package/model", *_HEADER[1:]], rows), ""]
    for entry in listing.entries:
        manifest = entry.manifest
        about = [f"{entry.size:,} bytes", manifest.license or "licence not said", *manifest.tags]
        lines.append(f"{manifest.name}: {'; '.join(filter(None, [manifest.description, *about]))}")
    return "\n".join(lines)


def zoo_get(fetched: Fetched) -> str:
    """What was fetched."""
    rows = [[model.name, *_worth(model)] for model in fetched.entry.manifest.models]
    return f"{table(_HEADER, rows)}\n\n{fetched.output}: {_size(fetched.entry.manifest)}"


_HEADER = ("model", "top-1", "MACs saved", "speed-up")


def _worth(model: PackedModel) -> list[str]:
    """A model's measured top-1, saving and speed-up, "-" for what was not measured."""
    accuracy, speed = model.accuracy, model.speed
    speedups = " / ".join(f"{run.speedup:.2f}" for run in speed.runs) if speed else "-"
    return [
        percent(accuracy.model.top1 if accuracy else None),
        percent(accuracy.mac_saved if accuracy else None),
        speedups,
    ]


def _size(manifest: Manifest) -> str:
    return f"{len(manifest.files)} files, {manifest.size:,} bytes"
