"""Who may use the server of the page."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from agentouto import Agent, ConfigurationError, Provider, Team
from agentouto.testing import Script, finish
from agentouto.ui import PageServer, PageSetup, page_app
from agentouto.ui._guard import Access
from page.served import Site, served


def team() -> Team:
    script = Script({"one": finish("1")})
    return Team([Agent("one", "", "m", Provider("s", kind="script", script=script))])


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with served(team()) as site:
        yield site


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1",
        "127.0.0.1:{other}",
        "127.0.0.1.evil.example:{port}",
        "evil:{port}",
        "",
    ],
)
def test_a_foreign_host_is_403(site: Site, host: str) -> None:
    host = host.format(port=site.port, other=site.port + 1)
    for path in ("/", "/api/team", "/healthz", f"/?token={site.token}", "/static/app.js"):
        assert site.get(path, Host=host).status == 403


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
def test_the_names_of_this_machine_are_ours(site: Site, name: str) -> None:
    assert site.get("/api/team", Host=f"{name}:{site.port}").status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://[bad"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_request_from_another_site_is_403(site: Site, headers: dict[str, str]) -> None:
    assert site.request("GET", "/api/team", headers=headers).status == 403
    assert site.request("POST", "/api/runs", '{"text":"Go."}', headers).status == 403


def test_a_request_from_our_own_page_is_answered(site: Site) -> None:
    ours = {"Origin": f"http://127.0.0.1:{site.port}", "Sec-Fetch-Site": "same-origin"}
    assert site.request("GET", "/api/team", headers=ours).status == 200


@pytest.mark.parametrize(
    "cookie", ["", "a=b", "agentouto_{port}=wrong", "agentouto_{port}=", ";;="]
)
def test_without_the_cookie_it_is_401(site: Site, cookie: str) -> None:
    cookie = cookie.format(port=site.port)
    for path in ("/", "/api/team", "/api/runs", "/static/app.js"):
        answer = site.request("GET", path, cookie=cookie)
        assert (answer.status, "agentouto ui" in answer.text) == (401, True)
    assert site.request("POST", "/api/runs", "{}", cookie=cookie).status == 401


@pytest.mark.parametrize("token", ["", "wrong", "%C3%A9", "%ff"])
def test_a_wrong_token_is_401_and_gives_no_cookie(site: Site, token: str) -> None:
    answer = site.request("GET", f"/?token={token}", cookie="")
    assert (answer.status, "set-cookie" in answer.headers) == (401, False)


def test_the_token_becomes_a_cookie_that_scripts_and_other_sites_do_not_have(site: Site) -> None:
    answer = site.request("GET", f"/?token={site.token}", cookie="")
    assert (answer.status, answer.headers["location"]) == (303, "./")
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith(f"agentouto_{site.port}=")
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert site.token.lower() not in cookie


@pytest.mark.parametrize(
    "type_",
    ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", ""],
)
def test_what_a_form_can_send_is_415(site: Site, type_: str) -> None:
    answer = site.request("POST", "/api/runs", '{"text":"Go."}', {"Content-Type": type_})
    assert answer.status == 415


def test_a_long_body_is_413_also_without_its_length(site: Site) -> None:
    body = b'{"text":"%b"}' % (b"x" * 1_000_001)
    assert site.request("POST", "/api/runs", body).status == 413
    chunks = (body[n : n + 100_000] for n in range(0, len(body), 100_000))
    assert site.request("POST", "/api/runs", chunks).status == 413  # type: ignore[arg-type]


def test_every_answer_has_the_headers_that_keep_scripts_out(site: Site) -> None:
    for path in ("/", "/static/app.js", "/api/team", "/nothing", "/healthz"):
        headers = site.get(path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; ")
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"


def test_files_are_kept_by_the_browser_only_under_their_version(site: Site) -> None:
    page = site.get("/").text
    name = page.partition('src="')[2].partition('"')[0]
    assert "immutable" in site.get(f"/{name}").headers["cache-control"]
    assert site.get("/static/app.js").headers["cache-control"] == "no-store"
    assert site.get("/").headers["cache-control"] == "no-store"


def test_another_name_is_allowed_where_the_person_says_so() -> None:
    access = Access(4711, ("box.example", "cloud.example:443"))
    for ours in ("box.example", "box.example:4711", "cloud.example:443", "BOX.example"):
        assert access.allows_host(ours)
    for foreign in ("cloud.example", "cloud.example:4711", "box.example:1", "x.box.example"):
        assert not access.allows_host(foreign)


def test_a_server_is_reached_under_the_name_that_the_person_allows() -> None:
    with served(team(), hosts=("box.example",)) as site:
        own = {"Host": "box.example", "Origin": "https://box.example"}
        assert site.request("GET", "/api/team", headers=own).status == 200
        for host in ("other.example", "box.example.evil.example", "x.box.example"):
            refused = site.get("/api/team", Host=host)
            assert (refused.status, "--allow-host NAME[:PORT]" in refused.text) == (403, True)


def test_after_a_restart_the_cookie_is_good_for_the_same_token_only() -> None:
    before = Access(4711, token="a-token-of-twenty-six-chars")
    assert Access(4711, token="a-token-of-twenty-six-chars").cookie == before.cookie
    assert Access(4711, token="another-token-of-more-chars").cookie != before.cookie
    assert Access(4711).cookie != Access(4711).cookie


def test_secrets_are_not_shown() -> None:
    access = Access(1)
    assert access.token not in repr(access)
    assert access.cookie not in repr(access)
    assert len(access.token) >= 32


def test_the_page_in_another_app_leaves_host_and_token_to_it_and_keeps_the_rest() -> None:
    app = Starlette(routes=[Mount("/agents", page_app(team()))])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    try:
        while not server.started:
            thread.join(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        outer = Site.__new__(Site)
        outer.port, outer.cookie = port, ""
        assert outer.get("/agents/", Host="anything.example").status == 200
        assert outer.get("/agents/api/team").status == 200
        assert outer.get("/agents/api/team", Origin="http://evil.example").status == 403
        assert outer.get("/agents/api/team", Origin="null", Host="").status == 403
        assert (
            outer.request("POST", "/agents/api/runs", "x", {"Content-Type": "text/plain"}).status
            == 415
        )
    finally:
        server.should_exit = True
        thread.join(20)


def test_an_address_that_is_taken_is_said() -> None:
    with served(team()) as site, pytest.raises(ConfigurationError, match="cannot be listened at"):
        PageServer(PageSetup(team()), port=site.port)
