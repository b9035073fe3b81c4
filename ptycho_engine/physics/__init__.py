"""Probe, forward model, scaling and simulation."""
