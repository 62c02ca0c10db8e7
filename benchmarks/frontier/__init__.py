"""How much work the method saves at equal accuracy: top-1 against MACs saved, beside the plain method of the paper.

shapes.py draws a data set of twelve shapes, training.py trains a ResNet-18 on it, networks.py has that and the digits'
network, methods.py what is compared, measuring.py the points of accuracy against work, crossing.py what is saved where
one point of top-1 is lost, and report.py writes tables and a plot.
"""
