"""The folder that a run leaves behind, while it is written and when it is read again."""
