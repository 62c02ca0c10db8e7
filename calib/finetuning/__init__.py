"""finetune: a converted model and data → the same model with weights that suit its predictors.

importable, torch_model, weights    the model in torch, and where its initializers are there
zap_conv                            ZapConv in torch, its predictor frozen and active
equality                            the check that torch and ONNX Runtime compute the same
passes                              the data, in a random order
statistics                          what normalises the network, estimated again with the predictors active
losses, training                    stochastic gradient descent
writing, report                     the result
command                             all of it
"""

from zaponnx.calib.finetuning.command import finetune
from zaponnx.calib.finetuning.report import FinetuneReport

__all__ = ["FinetuneReport", "finetune"]
