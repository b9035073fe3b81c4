"""Figures that tell whether a result can be trusted."""
