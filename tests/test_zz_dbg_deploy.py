import os, random, signal, time
import pytest
from contextlib import ExitStack
from tests.test_deploy import compose, free_port, listens, PROGRAMS
from tests.embedded.helpers import spawned, eventually
from service.embedded.binaries import valkey_server
@pytest.mark.timeout(590)
def test_x(settings, tmp_path):
    whole = compose(); services = whole["services"]; queue = free_port()
    given = services["api"]["environment"]
    environment = {**given, "PATH": f"{PROGRAMS}:{os.environ['PATH']}", "DATABASE_URL": settings.database_url.get_secret_value(),
        "REDIS_URL": given["REDIS_URL"].replace("valkey:6379", f"127.0.0.1:{queue}"), "ALMANAC_HOME": str(tmp_path), "PYTHONFAULTHANDLER":"1", "ALMANAC_HOST": "127.0.0.1"}
    (tmp_path/"v.conf").write_text(whole["configs"]["valkey"]["content"])
    t0=time.time(); stops=0
    with ExitStack() as stack:
        stack.enter_context(spawned([str(valkey_server()), str(tmp_path/"v.conf"), "--port", str(queue), "--bind", "127.0.0.1", "--dir", str(tmp_path)]))
        assert eventually(lambda: listens(queue))
        while time.time()-t0 < 540:
            with ExitStack() as s2:
                ps=[]
                for k in range(6):
                    name = ["maintenance", "worker-io", "api"][k%3]
                    ps.append((name, s2.enter_context(spawned(services[name]["command"], environment={**environment, "ALMANAC_PORT": str(free_port())}))))
                time.sleep(7)
                for name,q in ps:
                    time.sleep(random.uniform(0,.15)); q.send_signal(signal.SIGTERM)
                end=time.time()+9
                for name,q in ps:
                    try: q.wait(max(.1,end-time.time())); stops+=1
                    except Exception as e:
                        print("HANG", name, time.strftime("%X")); q.send_signal(signal.SIGABRT); q.wait(5); print(q.stderr.read()[-5000:], flush=True)
    print("stops", stops)
