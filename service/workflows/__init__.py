"""Jobs that depend on each other: chains, groups, fan-ins and any other graph, as rows."""
