"""How to run a packaged model in Python, C++ and C#: the part of its card that people copy."""

from __future__ import annotations

from zaponnx.packaging.manifest import Manifest
from zaponnx.packaging.paths import libraries

_PLAIN = """import onnx, onnxruntime
inputs = {{t.name: onnx.numpy_helper.to_array(t) for t in map(onnx.load_tensor, [{files}])}}
print(onnxruntime.InferenceSession("{model}", providers=["CPUExecutionProvider"]).run(None, inputs))"""

_PYTHON = """import zaponnx

session = zaponnx.InferenceSession("{model}", providers=["cpu"])"""

_CPP = """Ort::SessionOptions options;
options.RegisterCustomOpsLibrary("{library}");
Ort::Session session(env, "{model}", options);"""

_CSHARP = """using var options = new SessionOptions();
options.RegisterCustomOpLibrary("{library}");
using var session = new InferenceSession("{model}", options);"""


def usage(manifest: Manifest) -> str:
    """The section of the card, in Markdown; its first block of Python needs onnx, numpy and onnxruntime alone."""
    model = manifest.models[0]
    inputs = ", ".join(f'"{model.test_data[0]}/input_{index}.pb"' for index in range(len(model.description.inputs)))
    packed = libraries(file.path for file in manifest.files)
    library = next(iter(packed.values()), "libzaponnx_ops.so")
    if packed:
        where = f"The library is in this package, for {', '.join(packed)}."
    else:
        where = (
            'The library is not in this package: `python -c "import zaponnx; print(zaponnx.library_path())"` prints '
            "where zaponnx has it."
        )
    return "\n\n".join(
        [
            "In this directory, with nothing but onnx, numpy and onnxruntime installed; it gives the right numbers, "
            "but is slower than the dense model, since it computes what could be skipped:",
            _block("python", _PLAIN.format(files=inputs, model=model.file)),
            "Fast, with zaponnx installed (`pip install 'zaponnx[cpu]'`):",
            _block("python", _PYTHON.format(model=model.file)),
            f"In C++ and C#, with ONNX Runtime and zaponnx's library. {where}",
            _block("cpp", _CPP.format(model=model.file, library=library)),
            _block("csharp", _CSHARP.format(model=model.file, library=library)),
        ]
    )


def _block(language: str, code: str) -> str:
    return f"```{language}\n{code}\n```"
