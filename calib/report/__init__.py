"""report: reads a converted model and what was measured of it, writes one page that shows what it is worth."""

from zaponnx.calib.report.command import report

__all__ = ["report"]
