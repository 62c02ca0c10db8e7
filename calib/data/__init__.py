"""Data sets for calibration and evaluation: reads a SPEC, writes a stream of batches that suit a model.

    digits                 scikit-learn's handwritten digits; the only kind that has a split of its own
    images:DIR             image files, in a folder per class or without labels
    npz:FILE               arrays keyed by the model's input names, and optionally `labels`
    npz:DIR                the npz files of a directory, by name
    test-data:DIR          the directories test_data_set_N of the ONNX model zoo
    py:FILE.py:function    a function of the user's that yields batches
    random                 standard normal values

For all kinds but `digits` (and `random`, which draws other values for each split), calibration and evaluation see the
data that they are given: keeping those apart is up to the caller. Only the presets of
torchvision need torch.
"""

from zaponnx.calib.data.batch import Batch
from zaponnx.calib.data.opening import open_data
from zaponnx.calib.data.source import DataSource

__all__ = ["Batch", "DataSource", "open_data"]
