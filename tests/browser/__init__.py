"""The dashboard in Chromium, as people use it: `make e2e`."""
