"""Trainings compared with each other: what is run, what is kept of it, and the tables made from that."""
