"""Almanac's service side: API, domains, database, queue contract."""
