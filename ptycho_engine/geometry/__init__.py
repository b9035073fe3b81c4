"""Where patches lie: grouping, translation, canvas."""
