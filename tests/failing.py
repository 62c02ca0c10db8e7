"""For the tests of commands that fail: convert's arguments, and what a failure prints and leaves behind."""

from pathlib import Path

from click.testing import Result


def conversion(flow, output: Path, *budget: object) -> list[object]:
    return [flow.model, "--calibration", flow.calibration, "--fit", flow.fit, "-o", output, *budget]


def assert_fails(result: Result, code: int, message: str, *unwritten: Path) -> None:
    """One clear sentence, the exit code, and no file."""
    assert result.exit_code == code, result.stderr
    assert result.stdout == ""
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error:")]
    assert len(errors) == 1, result.stderr
    assert message in errors[0]
    assert "Traceback" not in result.stderr
    for path in unwritten:
        assert not path.exists()
        assert list(path.parent.glob(".*")) == [], "no temporary file is left"
