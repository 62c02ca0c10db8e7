"""`make bench`: how fast converted networks are, against the dense ones and other runtimes, in the order of the flow.

operating_points.json → points     which networks, how much saved, how much faster they are to be
images, networks                   inputs and seeded networks to measure on
preparing                          network → model.onnx, and converted at each point      (cutting)
layers                             the same → models of single layers                     (cutting)
peers                              model.onnx → contenders, one per runtime
timing                             contenders → times, in turn                            (machinery of all below)
measuring                          both → whole networks, layers, batches, concurrent sessions
memory, kernels                    what is measured in processes of its own
report                             measurements → results/NAME.json and NAME.md
"""
