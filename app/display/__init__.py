"""Turning numbers into pictures: pure numpy."""
