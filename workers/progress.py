"""How a running job tells how far it is."""

from workers.engine import LEDGER, Context
from workers.engine.running import CURRENT
from workers.ledger import JobLedger


def progress(ctx: Context, done: float, total: float, text: str | None = None) -> None:
    """Tell how far this job is; call it as often as you like, it is written once a second.

    Only durable jobs have a row to keep it in, so of others nothing is kept. What falls back behind
    what was told before, after a retry for example, is not shown.

    Args:
        ctx: the job's context.
        done: so much of `total` is done.
        total: more than 0, else nothing is told.
        text: what is being done; None leaves what was said last.
    """
    run, ledger = CURRENT.get(), ctx.get(LEDGER)
    if run is None or run.row is None or not isinstance(ledger, JobLedger) or total <= 0:
        return
    percent = int(min(max(100 * done / total, 0), 100))
    ledger.notes.tell(run.job_id, percent, text)
