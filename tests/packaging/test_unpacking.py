"""unpack: all files or none, into a directory that has nothing else in it."""

from pathlib import Path

import pytest

import zaponnx
from zaponnx.errors import InvalidArgument, OutputError


def test_it_gives_the_directory_that_was_packed(package: Path, archive: Path, tmp_path: Path, everything) -> None:
    expected = {name.removeprefix(str(package)): content for name, content in everything(package).items()}
    for target, source in ((tmp_path / "from archive", archive), (tmp_path / "from directory", package)):
        zaponnx.unpack(source, target)
        assert {name.removeprefix(str(target)): content for name, content in everything(target).items()} == expected
        zaponnx.verify(target)


def test_files_can_be_read_by_others(archive: Path, tmp_path: Path) -> None:
    zaponnx.unpack(archive, tmp_path / "out")
    umask_free = [path.stat().st_mode & 0o400 for path in (tmp_path / "out").rglob("*")]
    assert all(umask_free)
    assert (tmp_path / "out").stat().st_mode & 0o777 == (tmp_path / "out" / "points").stat().st_mode & 0o777


def test_an_empty_directory_and_a_package_are_replaced(archive: Path, package: Path, small, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    zaponnx.pack([small.converted], tmp_path / "old")
    for target in (tmp_path / "empty", tmp_path / "old"):
        zaponnx.unpack(archive, target)
        zaponnx.verify(target)
        assert (target / "careful.onnx").is_file()


@pytest.mark.parametrize("there", ["a file", "a directory with files", "a link", "an archive's name", "no parent"])
def test_outputs_that_cannot_be(archive: Path, tmp_path: Path, everything, there: str) -> None:
    output = tmp_path / "out"
    if there == "a file":
        output.write_text("mine")
    elif there == "a directory with files":
        output.mkdir()
        (output / "mine").write_text("mine")
    elif there == "a link":
        (tmp_path / "elsewhere").mkdir()
        output.symlink_to(tmp_path / "elsewhere")
    elif there == "an archive's name":
        output = tmp_path / "out.tar.gz"
    else:
        output = tmp_path / "none" / "out"
    before = everything(tmp_path)
    with pytest.raises(InvalidArgument):
        zaponnx.unpack(archive, output)
    assert everything(tmp_path) == before


def test_a_package_is_not_unpacked_into_itself(package: Path, everything) -> None:
    before = everything(package)
    with pytest.raises(InvalidArgument, match="the output has an input in it"):
        zaponnx.unpack(package, package)
    assert everything(package) == before


def test_a_system_that_refuses(archive: Path, tmp_path: Path, monkeypatch, everything) -> None:
    before = everything(tmp_path)

    def fails(self: Path, *arguments: object, **keywords: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", fails)
    with pytest.raises(OutputError, match="cannot be written: Read-only file system"):
        zaponnx.unpack(archive, tmp_path / "out")
    assert everything(tmp_path) == before
