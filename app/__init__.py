"""Desktop app of Ptychoscope: panels, state and jobs around the engine."""
