"""Widgets that know no session and no engine verb."""
