"""The dashboard: pages for people, made from the same routes, actions and queries as the API."""
