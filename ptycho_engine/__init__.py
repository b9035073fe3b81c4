"""The engine of Ptychoscope: PtychoPINN networks, physics and files, without a screen."""

__version__ = "0.1.0"
