"""Outputs: what is refused before any work, and that the system's errors name the user's file."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import pytest

from zaponnx.artifact_files import load_calibration, load_fit, save_calibration, save_fit
from zaponnx.errors import InvalidArgument, OutputError
from zaponnx.files import atomic_directory, atomic_path, check_output
from zaponnx.models import save_model


@contextmanager
def full_disk() -> Iterator[None]:
    """No file can grow beyond 64 bytes; nor can pytest's own output, if that is a file, so print nothing meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


WRITERS: dict[str, Callable[[Any, Path], None]] = {
    "calibration": lambda small, path: save_calibration(load_calibration(small.calibration), path),
    "fit": lambda small, path: save_fit(load_fit(small.fit), path),
    "model": lambda small, path: save_model(onnx.load_model(small.model), path),
    "external data": lambda small, path: save_model(onnx.load_model(small.model), path, external_data=True),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS.keys())
def test_a_full_disk_leaves_what_was_there(small, tmp_path: Path, write: Callable[[Any, Path], None]) -> None:
    path = tmp_path / "written"
    path.write_bytes(b"old")
    with pytest.raises(OutputError, match="cannot be written: File too large") as caught, full_disk():
        write(small, path)
    assert caught.value.where == str(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS.keys())
def test_a_directory_that_is_not_there(small, tmp_path: Path, write: Callable[[Any, Path], None]) -> None:
    with pytest.raises(OutputError, match=f"{tmp_path / 'none' / 'written'}: cannot be written: No such"):
        write(small, tmp_path / "none" / "written")


def test_a_directory_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "made"
    for content in ("first", "second"):
        with atomic_directory(path, "test") as staged:
            (staged / "folder").mkdir()
            (staged / "folder" / content).write_text(content)
            assert not (path / "folder" / content).exists()
        assert [file.name for file in (path / "folder").iterdir()] == [content]
    with (
        pytest.raises(OutputError, match=f"{path}: cannot be written: File too large"),
        full_disk(),
        atomic_directory(path, "test") as staged,
    ):
        (staged / "third").write_bytes(bytes(100))
    assert [file.name for file in path.rglob("*")] == ["folder", "second"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_that_vanishes_meanwhile(tmp_path: Path) -> None:
    directory = tmp_path / "made"
    directory.mkdir()

    def write() -> None:
        with atomic_path(directory / "written", "fit") as temporary:
            temporary.write_text("new")
            shutil.rmtree(directory)

    with pytest.raises(OutputError, match="No such file"):
        write()


def test_check_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    existing = tmp_path / "file"
    existing.touch()
    (tmp_path / "link").symlink_to(existing)
    monkeypatch.chdir(tmp_path)
    check_output(existing, "fit", [tmp_path / "other"])
    check_output(Path("new"), "fit", [existing])
    for path, problem in (
        (tmp_path, "is there already and no file"),
        (Path("/dev/null"), "is there already and no file"),
        (tmp_path / "none" / "new", "there is no directory"),
        (existing, "the output is also an input"),
        (Path("file"), "the output is also an input"),
        (tmp_path / "link", "the output is also an input"),
    ):
        with pytest.raises(InvalidArgument, match=f"^fit: .*{problem}"):
            check_output(path, "fit", [tmp_path / "other", existing])


def test_check_output_asks_whether_the_directory_can_be_written_to(tmp_path: Path, monkeypatch) -> None:
    """By os.access, which says yes to the superuser, who may run the tests."""
    monkeypatch.setattr(os, "access", lambda path, mode: (path, mode) != (tmp_path, os.W_OK | os.X_OK))
    with pytest.raises(InvalidArgument, match=f"the directory '{tmp_path}' cannot be written to"):
        check_output(tmp_path / "new", "fit")
