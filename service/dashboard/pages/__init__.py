"""One file of routes for each part of the dashboard; its templates have the same name."""
