"""Multiply-accumulates (MACs): what a model's convolutions and their predictors cost, per image.

A convolution's MACs are its outputs, M · oH · oW, times C/group · kH · kW each. Only Conv and ZapConv are counted:
in the CNNs that this is for, they are nearly all of the work, and the shares in the reports are shares of them.
"""

from __future__ import annotations

PREDICTOR_MACS_PER_OUTPUT = 9
"""What the predictor costs on average, per output of its layer.

Each of its two depthwise 3×3 convolutions takes 9 MACs per output at most. The first one's input is zero outside the
pattern: of its 9 taps, the pattern's share s is multiplied on average. The second one is evaluated only outside
the pattern, for a share 1 − s of the outputs. Together 9·s + 9·(1 − s) = 9, whatever the pattern.
"""
