"""The commands of `almanac`; `service.cli` imports each of them when it is called."""
