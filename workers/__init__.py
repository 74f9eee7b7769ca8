"""One module per queue: coroutines and a WorkerSettings class that `arq` runs."""
