"""Running engine verbs beside the window."""
