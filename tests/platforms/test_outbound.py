"""The outbound client against real sockets: what it refuses, and what it tells of failures."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from service.kit.addresses import AllowedPrivateHosts
from service.kit.guarded_network import GuardedNetwork, OutboundRefused, system_resolver
from service.kit.outbound import AnswerLost, NotSent, Outbound
from tests.platforms.certificates import authority, certificate
from tests.servers.proxy import LossyProxy
from tests.servers.threaded import ThreadedServer

pytestmark = pytest.mark.asyncio


class Site(ThreadedServer):
    """A web server that notes what reaches it."""

    def __init__(self, *, certificate: Path | None = None) -> None:
        self.requests: list[Request] = []
        super().__init__(Starlette(routes=[Route("/{path}", self._serve)]), certificate=certificate)

    async def _serve(self, request: Request) -> Response:
        self.requests.append(request)
        path, query = request.path_params["path"], request.query_params
        if path == "redirect":
            return Response(status_code=302, headers={"location": query["to"]})
        if path == "loop":
            return Response(status_code=302, headers={"location": "/loop"})
        if path == "cookie":
            return Response("ok", headers={"set-cookie": "session=1; Path=/"})
        if path == "bytes":
            return Response(bytes(int(query["size"])))
        if path == "bomb":
            packed = gzip.compress(bytes(int(query["size"])))
            return Response(packed, headers={"content-encoding": query.get("as", "gzip")})
        if path == "slow":
            await asyncio.sleep(2)
        return JSONResponse({"host": request.headers["host"]})


@pytest.fixture(scope="module")
def running_site() -> Iterator[Site]:
    with Site() as server:
        yield server


@pytest.fixture
def site(running_site: Site) -> Site:
    running_site.requests.clear()
    return running_site


def port_of(site: Site) -> int:
    return int(site.url.rpartition(":")[2])


class Names:
    """A resolver: the answers for each name, one after the other; the last one stays."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers = {name.replace("_", "."): list(lists) for name, lists in answers.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        lists = self.answers[host]
        return lists.pop(0) if len(lists) > 1 else lists[0]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]", "127.1"]
)
async def test_this_machine_is_refused(site: Site, host: str) -> None:
    async with Outbound() as outbound:
        with pytest.raises(OutboundRefused):
            await outbound.request("GET", f"http://{host}:{port_of(site)}/x")
    assert site.requests == []


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0"])
async def test_numbers_that_the_system_takes_for_this_machine_are_refused(host: str) -> None:
    """Should such a form get past the URL's check, the resolved address is judged all the same."""
    network = GuardedNetwork(AllowedPrivateHosts(()), system_resolver)
    with pytest.raises(OutboundRefused):
        await network.addresses(host, 80, 5)


async def test_the_refusal_says_what_to_do(site: Site) -> None:
    async with Outbound() as outbound:
        with pytest.raises(OutboundRefused) as refused:
            await outbound.request("GET", f"{site.url}/x")
    port = port_of(site)
    assert refused.value.message == (
        f"127.0.0.1:{port} is at 127.0.0.1, which is loopback. If this installation should call "
        f"it, add '127.0.0.1:{port}' to ALMANAC_ALLOWED_PRIVATE_HOSTS."
    )
    assert refused.value.status == 422


async def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    names = Names(mixed_test=[["1.1.1.1", "10.0.0.1"]])
    async with Outbound(resolve=names) as outbound:
        with pytest.raises(OutboundRefused, match=r"at 10\.0\.0\.1, which is private"):
            await outbound.request("GET", "http://mixed.test/x")


async def test_a_name_is_resolved_once_and_that_address_is_called(site: Site) -> None:
    """A name that turns private between check and connection (DNS rebinding) gains nothing."""
    names = Names(rebind_test=[["127.0.0.1"], ["10.0.0.1"]])
    url = f"http://rebind.test:{port_of(site)}/x"
    async with Outbound({"127.0.0.1"}, resolve=names) as outbound:
        answer = await outbound.request("GET", url, fresh=True)
        assert answer.json() == {"host": f"rebind.test:{port_of(site)}"}
        assert names.asked == ["rebind.test"]
        with pytest.raises(OutboundRefused, match=r"10\.0\.0\.1"):
            await outbound.request("GET", url, fresh=True)
    assert len(site.requests) == 1


async def test_the_next_address_is_tried_when_one_does_not_answer(site: Site) -> None:
    names = Names(two_test=[["127.0.0.2", "127.0.0.1"]])
    async with Outbound({"127.0.0.0/8"}, resolve=names) as outbound:
        answer = await outbound.request("GET", f"http://two.test:{port_of(site)}/x")
    assert answer.status == 200


@pytest.mark.parametrize("entry", ["127.0.0.1", "127.0.0.0/8", "name.test", "name.test:{port}"])
async def test_listed_hosts_are_reached(site: Site, entry: str) -> None:
    names = Names(name_test=[["127.0.0.1"]])
    allowed = {entry.format(port=port_of(site))}
    async with Outbound(allowed, resolve=names) as outbound:
        answer = await outbound.request("GET", f"http://name.test:{port_of(site)}/x")
        assert answer.status == 200
        await outbound.check(f"http://name.test:{port_of(site)}/x")


async def test_another_port_of_a_listed_host_is_refused(site: Site) -> None:
    async with Outbound({"127.0.0.1:1"}) as outbound:
        with pytest.raises(OutboundRefused):
            await outbound.request("GET", f"{site.url}/x")
        with pytest.raises(OutboundRefused):
            await outbound.check(f"{site.url}/x")
    assert site.requests == []


async def test_redirects_are_not_followed_unasked(site: Site) -> None:
    async with Outbound({"127.0.0.1"}) as outbound:
        params = {"to": f"{site.url}/x"}
        answer = await outbound.request("GET", f"{site.url}/redirect", params=params)
    assert answer.status == 302
    assert len(site.requests) == 1


async def test_fetch_follows_redirects(site: Site) -> None:
    async with Outbound({"127.0.0.1"}) as outbound:
        answer = await outbound.fetch(f"{site.url}/redirect?to=/bytes%3Fsize=3")
    assert answer.body == bytes(3)
    assert len(site.requests) == 2


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("http://127.0.0.2:{port}/x", "which is loopback"),
        ("http://169.254.169.254/latest/meta-data/", "which is link-local"),
        ("http://user:pass@127.0.0.1:{port}/x", "must not contain a user name"),
        ("file:///etc/passwd", "must begin with http"),
        ("http://[::1", "redirects to something that is no URL"),
        ("/loop", "more than 5 redirects"),
    ],
)
async def test_each_redirect_is_judged(site: Site, target: str, reason: str) -> None:
    allowed = {f"127.0.0.1:{port_of(site)}"}
    target = quote(target.format(port=port_of(site)))
    async with Outbound(allowed) as outbound:
        with pytest.raises(OutboundRefused, match=reason):
            await outbound.fetch(f"{site.url}/redirect?to={target}")
    paths = [request.url.path for request in site.requests]
    assert paths == ["/redirect"] + ["/loop"] * (len(paths) - 1)
    assert len(paths) == (6 if target == "/loop" else 1)


async def test_the_answer_is_capped(site: Site) -> None:
    async with Outbound({"127.0.0.1"}) as outbound:
        at_most = await outbound.request("GET", f"{site.url}/bytes?size=1000", max_answer=1000)
        assert len(at_most.body) == 1000
        with pytest.raises(AnswerLost, match=r"larger than 1,000 bytes"):
            await outbound.request("GET", f"{site.url}/bytes?size=1001", max_answer=1000)


async def test_a_compressed_answer_is_capped_as_it_unpacks(site: Site) -> None:
    async with Outbound({"127.0.0.1"}) as outbound:
        answer = await outbound.request("GET", f"{site.url}/bomb?size=5000", max_answer=5000)
        assert answer.body == bytes(5000)
        with pytest.raises(AnswerLost, match=r"larger than 5,000 bytes"):
            await outbound.request("GET", f"{site.url}/bomb?size=50000000", max_answer=5000)
        with pytest.raises(AnswerLost, match=r"encoded as 'br'"):
            await outbound.request("GET", f"{site.url}/bomb?size=1&as=br")
    assert site.requests[0].headers["accept-encoding"] == "identity"


async def test_nothing_was_sent() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    async with Outbound({"127.0.0.1"}) as outbound:
        with pytest.raises(NotSent):
            await outbound.request("POST", f"http://127.0.0.1:{port}/")
        with pytest.raises(NotSent, match=r"'nowhere\.invalid' was not found"):
            await outbound.request("POST", "http://nowhere.invalid/")
        with pytest.raises(NotSent, match="was not found"):
            await outbound.check("http://nowhere.invalid/")


async def test_a_resolver_that_hangs_sends_nothing() -> None:
    async def hanging(host: str, port: int) -> list[str]:
        await asyncio.sleep(60)
        return [host, str(port)]

    async with Outbound(resolve=hanging) as outbound:
        with pytest.raises(NotSent, match=r"no whole answer within 0\.1 s"):
            await outbound.request("POST", "http://slow.test/", deadline=0.1)


async def test_the_deadline_after_sending_loses_the_answer(site: Site) -> None:
    async with Outbound({"127.0.0.1"}) as outbound:
        with pytest.raises(AnswerLost, match=r"within 0\.2 s"):
            await outbound.request("GET", f"{site.url}/slow", deadline=0.2)
    assert len(site.requests) == 1


async def test_a_broken_connection_loses_the_answer(site: Site) -> None:
    with LossyProxy(site.url) as proxy:
        proxy.lose_answer("GET /x")
        async with Outbound({"127.0.0.1"}) as outbound:
            with pytest.raises(AnswerLost):
                await outbound.request("GET", f"{proxy.url}/x")
    assert len(site.requests) == 1
    assert proxy.lost == 1


async def test_connections_are_kept_unless_a_fresh_one_is_asked_for(site: Site) -> None:
    async with Outbound({"127.0.0.1"}) as outbound:
        for fresh in (False, False, True, True):
            await outbound.request("GET", f"{site.url}/x", fresh=fresh)
    ports = [request.client.port for request in site.requests if request.client]
    assert ports[0] == ports[1]
    assert len(set(ports)) == 3


async def test_no_cookie_and_no_proxy(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with Outbound({"127.0.0.1"}) as outbound:
        await outbound.request("GET", f"{site.url}/cookie")
        await outbound.request("GET", f"{site.url}/x")
    assert "cookie" not in site.requests[1].headers


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


async def test_tls_proves_the_name_not_the_address(folder: Path) -> None:
    """Two names at one address: a connection opened for one is no proof for the other."""
    trusted = authority(folder)
    names = Names(one_test=[["127.0.0.1"]], two_test=[["127.0.0.1"]])
    with Site(certificate=certificate(folder, "one.test")) as site:
        port = port_of(site)
        async with Outbound({"127.0.0.1"}, resolve=names, ssl_context=trusted) as outbound:
            answer = await outbound.request("GET", f"https://one.test:{port}/x")
            assert answer.json() == {"host": f"one.test:{port}"}
            with pytest.raises(NotSent, match="certificate verify failed"):
                await outbound.request("GET", f"https://two.test:{port}/x")
        async with Outbound({"127.0.0.1"}, resolve=names) as outbound:
            with pytest.raises(NotSent, match="certificate verify failed"):
                await outbound.request("GET", f"https://one.test:{port}/x")
    assert len(site.requests) == 1


async def test_a_streamed_body_arrives_whole(site: Site) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"a" * 100_000

    received: list[int] = []

    async def count(request: Request) -> Response:
        received.append(len(await request.body()))
        assert request.headers["content-length"] == "300000"
        return Response()

    with ThreadedServer(Starlette(routes=[Route("/", count, methods=["POST"])])) as server:
        async with Outbound({"127.0.0.1"}) as outbound:
            headers = {"Content-Length": "300000"}
            answer = await outbound.request(
                "POST", f"{server.url}/", content=chunks(), headers=headers
            )
    assert (answer.status, received) == (200, [300_000])
