"""Computation patterns: which outputs of a layer are always computed.

A pattern is a tile of 0/1, repeated from the top-left corner over the rows and columns of the output map
and the same for all channels. A to D are the patterns of "Thanks for Nothing" (ECCV 2020); E is our own, in which
every output that is not computed has exactly one beside it that is, but at the borders.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zaponnx.errors import InvalidArgument

_NAMED_TILES = {
    "A": "11010/10101/01011/10110/01101",
    "B": "10/01",
    "C": "00101/01010/10100/01001/10010",
    "D": "001/010/100",
    "E": "10000/00100/00001/01000/00010",
}


@dataclass(frozen=True)
class Pattern:
    """A tile of 0/1; 1 marks the outputs that are always computed.

    Attributes:
        rows: The tile's rows, each a tuple of 0/1, all of one length. At least one entry is 1.
    """

    rows: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        if not self.rows or not self.rows[0] or any(len(row) != len(self.rows[0]) for row in self.rows):
            raise InvalidArgument("pattern", f"{self.rows} is not a rectangular tile")
        if any(value not in (0, 1) for row in self.rows for value in row):
            raise InvalidArgument("pattern", f"tile {self.spec} has entries other than 0 and 1")
        if not any(map(any, self.rows)):
            raise InvalidArgument(
                "pattern", f"tile {self.spec} computes no output", remedy="set at least one entry to 1"
            )

    @classmethod
    def parse(cls, spec: str) -> Pattern:
        """Reads a pattern's name (A to E) or its rows separated by "/", as in "10/01".

        Raises:
            InvalidArgument: `spec` is neither.
        """
        text = _NAMED_TILES.get(spec.upper(), spec)
        if not text or set(text) - set("01/"):
            remedy = "use A to E or rows of 0 and 1 such as 10/01; between several, commas"
            raise InvalidArgument("pattern", f"unknown pattern '{spec}'", remedy=remedy)
        return cls(tuple(tuple(int(digit) for digit in row) for row in text.split("/")))

    @property
    def spec(self) -> str:
        """The name A to E if it has one, else the rows separated by "/"; `parse` reads it back."""
        text = "/".join("".join(map(str, row)) for row in self.rows)
        return next((name for name, tile in _NAMED_TILES.items() if tile == text), text)

    @property
    def shape(self) -> tuple[int, int]:
        """The tile's (rows, columns)."""
        return len(self.rows), len(self.rows[0])

    @property
    def flat(self) -> list[int]:
        """The tile in row-major order, as ZapConv's attribute `pattern` has it."""
        return [value for row in self.rows for value in row]

    @property
    def share(self) -> float:
        """The share of the tile that is computed, from 0 to 1."""
        return sum(self.flat) / len(self.flat)

    def mask(self, height: int, width: int) -> npt.NDArray[np.bool_]:
        """The pattern over a (height, width) map, True where computed."""
        tile = np.array(self.rows, dtype=bool)
        repeats = (-(-height // tile.shape[0]), -(-width // tile.shape[1]))
        return np.tile(tile, repeats)[:height, :width]


ALL_OUTPUTS = Pattern(((1,),))
"""Nothing is skipped."""
