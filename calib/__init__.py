"""The PyTorch side, in the order of the flow.

    exporting    torch module → model.onnx         (networks, torchvision_compat, digits_network, export_verification)
    calibration  model.onnx + data → model.zapcal  (selection, data, passes, sharing, checkpoint, capture, training,
                                                    losses, predictors, histograms)
    analyzing    model.zapcal → tables and figures of each layer alone  (analysis)
    fitting      model.zapcal → model.zapfit.json  (curves, exact, sigmoid)
    plots        both → figures
    demo         all of it on digits

It needs the extra `calib`, except for `data`, which evaluation uses too.
"""
