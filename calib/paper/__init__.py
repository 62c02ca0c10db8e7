"""The published experiments: their operating points, their threshold dictionaries, and their table again.

points           the eight operating points, as presets
pickled          threshold dictionaries, read without running what a pickle may hold
thresholds       a threshold dictionary → model.zapfit.json
reproduction     ImageNet → the table of the eight operating points
"""
