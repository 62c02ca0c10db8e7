"""Files from a zoo: reads a location, writes a file of which size and hash are known.

What was fetched when a download broke off stays beside the output, as OUTPUT.HASH.part, and the next one goes on from
there. Nothing gets the output's name before its hash is right.
"""

from __future__ import annotations

from pathlib import Path

from zaponnx.errors import ArtifactError, DataError
from zaponnx.files import sha256, writing
from zaponnx.packaging.index import Entry
from zaponnx.packaging.location import Location
from zaponnx.progress import Progress


def part_of(entry: Entry, output: Path) -> Path:
    """Where a package is while it is fetched."""
    return output.with_name(f"{output.name}.{entry.sha256[:12]}.part")


def fetch(location: Location, entry: Entry, output: Path, phase: str, progress: Progress) -> Path:
    """Fetches a package's archive, from where an earlier attempt broke off.

    Args:
        location: The zoo.
        entry: The package.
        output: What it is fetched for; the result is beside it.
        phase: The step on whose behalf it is done, for error messages.
        progress: Told about the bytes.

    Returns:
        The archive, which is the caller's to rename or to remove.

    Raises:
        ArtifactError: It is not the file that the index names; what was fetched of it is gone.
        DataError: It cannot be read, or the connection broke off.
        OutputError: The system refuses the output.
    """
    part = part_of(entry, output)
    try:
        with writing(part, phase):
            if _size(part) < entry.size:
                _append(location, entry, part, phase, progress)
            if part.stat().st_size != entry.size or sha256(part) != entry.sha256:
                raise ArtifactError(phase, "is not the file that the index names: its SHA-256 is another")
    except ArtifactError as error:
        part.unlink(missing_ok=True)
        raise ArtifactError(phase, error.problem, where=location.place(entry.file)) from error
    return part


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _append(location: Location, entry: Entry, part: Path, phase: str, progress: Progress) -> None:
    """Adds to a part what it lacks, or starts anew if the server only gives all."""
    with location.open(entry.file, _size(part)) as source:
        if source.size not in (None, entry.size):
            raise ArtifactError(phase, f"has {source.size} bytes, not {entry.size} as the index says")
        done = source.start
        with part.open("ab" if done else "wb") as output:
            for piece in location.pieces(entry.file, source):
                done += len(piece)
                if done > entry.size:
                    raise ArtifactError(phase, f"has more than {entry.size} bytes, which the index says")
                output.write(piece)
                progress(f"fetching {entry.file}", done, entry.size)
    if done < entry.size:
        problem = f"the connection broke off after {done} of {entry.size} bytes"
        raise DataError(phase, problem, where=location.place(entry.file), remedy="run it again, and it will go on")
