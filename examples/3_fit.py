"""Reads model.zapcal, writes model.zapfit.json: thresholds for a whole range of budgets, and the point chosen."""

import zaponnx

fit = zaponnx.fit("model.zapcal", "model.zapfit.json", mac_saving=0.2)
point = fit.chosen.point
print(f"{len(fit.points)} points; chosen: {point.mac_saved:.1%} of the MACs saved at an error of {point.error:.3f}")
