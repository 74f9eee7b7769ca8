"""PostgreSQL: declarative base, unit of work, migrations."""
