import os, random, signal, time
import pytest
from contextlib import ExitStack
from tests.test_deploy import compose, free_port, listens, PROGRAMS
from tests.embedded.helpers import spawned, eventually
from service.embedded.binaries import valkey_server
def test_x(settings, tmp_path):
    whole = compose(); services = whole["services"]; queue = free_port()
    given = services["api"]["environment"]
    environment = {**given, "PATH": f"{PROGRAMS}:{os.environ['PATH']}", "DATABASE_URL": settings.database_url.get_secret_value(),
        "REDIS_URL": given["REDIS_URL"].replace("valkey:6379", f"127.0.0.1:{queue}"), "ALMANAC_HOME": str(tmp_path), "PYTHONFAULTHANDLER":"1"}
    (tmp_path/"v.conf").write_text(whole["configs"]["valkey"]["content"])
    with ExitStack() as stack:
        stack.enter_context(spawned([str(valkey_server()), str(tmp_path/"v.conf"), "--port", str(queue), "--bind", "127.0.0.1", "--dir", str(tmp_path)]))
        assert eventually(lambda: listens(queue))
        for i in range(40):
            name = random.choice(["maintenance", "worker-io"])
            with spawned(services[name]["command"], environment=environment) as q:
                d=random.uniform(0.9, 2.2); time.sleep(d)
                q.send_signal(signal.SIGTERM); t=time.monotonic()
                try: q.wait(8); print(f"{d:.2f} {name} {q.returncode} {time.monotonic()-t:.2f}", flush=True)
                except Exception as e:
                    print("HANG", f"{d:.2f}", name, time.strftime("%X")); q.send_signal(signal.SIGABRT); q.wait(5); print(q.stderr.read()[-6000:], flush=True); break
