"""Is everything there that Almanac needs? What `almanac verify` and `almanac status` look at."""
