"""The pages that Almanac itself publishes to: HTML, Atom and JSON of each local account."""
