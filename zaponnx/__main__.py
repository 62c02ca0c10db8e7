"""The command line, for `python -m zaponnx` and `torchrun -m zaponnx`."""

from zaponnx.cli import main

if __name__ == "__main__":
    main(prog_name="zaponnx")
