"""A package of two operating points of the small network, with all that it can have; its zoo; means to spoil it."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import zaponnx
from tests.packaging.zipping import zipped
from zaponnx.files import sha256

Edit = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Material:
    """What a package is made of."""

    models: tuple[Path, Path]
    evaluation: Path
    benchmark: Path
    report: Path

    def pack(self, output: Path, **keywords: Any) -> zaponnx.packaging.packing.Packed:
        """Packs all of it."""
        measured = {"eval": [self.evaluation], "bench": [self.benchmark], "report": self.report}
        about = {"description": "A tiny network", "license": "Apache-2.0", "tags": ["tiny", "random"]}
        return zaponnx.pack(self.models, output, **measured | about | keywords)


@pytest.fixture(scope="session")
def material(small, tmp_path_factory: pytest.TempPathFactory) -> Material:
    directory = tmp_path_factory.mktemp("material")
    bold, careful = directory / "bold.zap.onnx", directory / "careful.zap.onnx"
    shutil.copyfile(small.converted, bold)
    zaponnx.retune(small.converted, careful, mac_saving=0.05)
    evaluation = zaponnx.eval([small.model, bold, careful], "random", samples=8)
    (directory / "eval.json").write_text(json.dumps(evaluation.to_json()))
    benchmark = zaponnx.bench(bold, small.model, threads=(1,), iterations=1, warmup=0)
    (directory / "bench.json").write_text(json.dumps(benchmark.to_json()))
    zaponnx.report(bold, directory / "mine.html")
    return Material((bold, careful), *(directory / name for name in ("eval.json", "bench.json", "mine.html")))


@pytest.fixture(scope="session")
def _packed(material: Material, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("packed") / "tiny"
    material.pack(output)
    return output


@pytest.fixture
def package(_packed: Path, tmp_path: Path) -> Path:
    """The package as a directory, a copy for each test."""
    return Path(shutil.copytree(_packed, tmp_path / "tiny"))


@pytest.fixture(scope="session")
def _archived(material: Material, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("archived") / "tiny.tar.gz"
    material.pack(output)
    return output


@pytest.fixture
def archive(_archived: Path, tmp_path: Path) -> Path:
    """The package as an archive, a copy for each test."""
    return Path(shutil.copyfile(_archived, tmp_path / "tiny.tar.gz"))


@pytest.fixture(scope="session")
def _zoo(_archived: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("zoo")
    zaponnx.zoo_add(directory, [_archived])
    return directory


@pytest.fixture
def zoo(_zoo: Path, tmp_path: Path) -> Path:
    """A zoo with one package, "tiny"."""
    return Path(shutil.copytree(_zoo, tmp_path / "zoo"))


@pytest.fixture
def edit_manifest() -> Callable[[Path, Edit], None]:
    """Edits a package's manifest: edit_manifest(package, edit)."""

    def edit_file(package: Path, edit: Edit) -> None:
        path = package / "manifest.json"
        manifest = json.loads(path.read_text())
        edit(manifest)
        path.write_text(json.dumps(manifest))

    return edit_file


@pytest.fixture
def reseal(edit_manifest: Callable[[Path, Edit], None]) -> Callable[[Path], None]:
    """Gives a package's manifest the sizes and hashes that its files have now, as someone would who forges it."""

    def reseal_package(package: Path) -> None:
        def edit(manifest: dict[str, Any]) -> None:
            for file in manifest["files"]:
                path = package / file["path"]
                file |= {"size": path.stat().st_size, "sha256": sha256(path)}

        edit_manifest(package, edit)

    return reseal_package


@dataclass(frozen=True)
class Tar:
    """The members of an archive, to be edited and written again."""

    members: list[tuple[tarfile.TarInfo, bytes]]

    @classmethod
    def of(cls, archive: Path) -> Tar:
        with tarfile.open(archive) as tar:
            return cls([(member, tar.extractfile(member).read()) for member in tar.getmembers()])  # type: ignore[union-attr]

    def add(self, name: str, content: bytes = b"", *, at: int | None = None, **fields: Any) -> None:
        """Adds a member, at the end or at a position, with fields such as `type` and `linkname`."""
        member = tarfile.TarInfo(name)
        member.size = len(content)
        for field, value in fields.items():
            setattr(member, field, value)
        self.members.insert(len(self.members) if at is None else at, (member, content))

    def find(self, name: str) -> int:
        """The position of a member."""
        return next(index for index, (member, _) in enumerate(self.members) if member.name == name)

    def write(self, archive: Path, format: int = tarfile.USTAR_FORMAT) -> None:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=format) as tar:
            for member, content in self.members:
                tar.addfile(member, io.BytesIO(content))
        archive.write_bytes(zipped(stream.getvalue()))


@pytest.fixture
def tar(archive: Path) -> Tar:
    """The members of the package's archive."""
    return Tar.of(archive)


@pytest.fixture
def everything() -> Callable[[Path], dict[str, bytes | str]]:
    """All that is in a directory at any depth, to see whether something was written: everything(directory)."""

    def contents(directory: Path) -> dict[str, bytes | str]:
        found: Iterable[Path] = directory.rglob("*")
        return {
            str(path): path.read_bytes() if path.is_file() and not path.is_symlink() else "no file" for path in found
        }

    return contents
