"""The same models as PyMC and PyTensor graphs."""
