"""The health job, run by the maintenance queue."""

from typing import Any

import msgspec

from service.kit.clock import now
from service.monitoring import health
from workers.engine import Context
from workers.engine.identity import process_name


async def check(ctx: Context) -> dict[str, Any]:
    """Look at everything; what is wrong is a result, no error of the job."""
    checks = await health.look(ctx["runtime"])
    return {
        "at": now().isoformat(),
        "worker": process_name(),
        "ok": all(check.ok for check in checks),
        "checks": msgspec.to_builtins(checks),
    }
