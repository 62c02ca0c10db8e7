"""`make coverage`: what zaponnx does with networks that others wrote, and whether it does it right; in this order:

networks                    the list: the light graphs of the onnx package, torchvision's networks
light, exports              where they come from: a file of the onnx package; torchvision by one of torch's exporters
normalizing                 model → the same, with activations that neither die nor explode
converting                  model → converted, with random predictors, at any thresholds
equality                    original and converted at −∞ → how far apart their values are
agreement                   converted at an operating point → whether every ZapConv agrees with its function body
reasons                     why Convs stay dense, in classes, and what is behind each
coverage                    network → all of it, as one row
kept                        rows → files, for a run that is interrupted
report                      rows → docs/coverage.json and docs/coverage.md
"""
