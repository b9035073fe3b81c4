"""Follow a run that somebody else writes: the same events as those of the verb itself, from its files alone."""
