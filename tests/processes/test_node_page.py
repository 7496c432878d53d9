"""`hydra start --http`: the page beside a node's metrics, under the rules of `hydra dashboard`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.invoking import run
from tests.dashboard.conftest import LINES, TOKENS
from tests.processes import fates_app as fates
from tests.processes.scene import Scene, until
from tests.processes.test_http import ANY_PORT, address, get

AS_BROWSER = {"accept": "text/html"}
pytestmark = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


def token_file(folder: Path) -> Path:
    path = folder / "tokens"
    path.write_text("\n".join(LINES))
    path.chmod(0o600)
    return path


def test_a_node_shows_the_page_to_its_own_host(scene: Scene) -> None:
    node = scene.start("fates_app", http=ANY_PORT)
    place = address(node)
    handle = scene.engine.submit(fates.fine.bind())
    handle.result(timeout=30)
    status, text = get(place, "/executions", headers=AS_BROWSER)
    assert (status, handle.id in text) == (200, True)
    status, text = get(place, f"/executions/{handle.id}", headers=AS_BROWSER)
    assert (status, handle.id in text) == (200, True)
    assert get(place, f"/api/v1/executions/{handle.id}")[0] == 200
    assert get(place, "/healthz") == (200, "ok\n")
    assert "hydra_executions_finished_total" in get(place, "/metrics")[1]
    assert get(place, "/", headers={"host": "evil.test"})[0] == 421, "another name for 127.0.0.1"
    assert get(place, "/metrics", headers={"host": "a-scraper.test"})[0] == 200
    assert node.stop() == 0


def test_where_others_can_come_there_is_no_page_without_tokens(scene: Scene) -> None:
    node = scene.start("fates_app", http="0.0.0.0:0")
    place = address(node)
    until(lambda: "no page there: `0.0.0.0` can be reached from elsewhere, so it needs `--token-file`" in node.text())
    assert get(place, "/executions", headers=AS_BROWSER)[0] == 404
    assert get(place, "/api/v1/executions")[0] == 404
    assert get(place, "/healthz")[0] == 200


def test_with_tokens_it_is_there_for_who_has_one(scene: Scene) -> None:
    node = scene.start("fates_app", http="0.0.0.0:0", page_token_file=str(token_file(scene.folder)))
    place = address(node)
    until(lambda: get(place, "/readyz")[0] == 200)
    assert get(place, "/", headers=AS_BROWSER)[0] == 303
    assert get(place, "/api/v1/executions")[0] == 401
    bearer = {"authorization": f"Bearer {TOKENS['view']}"}
    assert get(place, "/api/v1/executions", headers=bearer)[0] == 200


def test_tokens_that_cannot_be_read_end_its_start_in_one_sentence(scene: Scene) -> None:
    node = scene.start("fates_app", http=ANY_PORT, page_token_file=str(scene.folder / "none"))
    assert node.wait() == 2
    assert node.text().endswith("cannot be read: No such file or directory\n")
    node = scene.start("fates_app", http=ANY_PORT, page_hosts=["hydra.example.com"])
    assert node.wait() == 2
    assert "so `--allow-host` needs `--token-file`" in node.text()


def test_tokens_without_an_address_are_refused(scene: Scene) -> None:
    done = run(scene.url, "start", "tests.processes.fates_app", "--token-file", "tokens", code=2)
    assert "are for the page of `--http`; say where it is" in done.output


def test_before_its_database_is_there_the_page_says_so(scene: Scene, tmp_path: Path) -> None:
    node = scene.start("fates_app", http=ANY_PORT, url="postgresql://nobody@127.0.0.1:1/none")
    status, text = get(address(node), "/", headers=AS_BROWSER)
    assert status == 503
    assert "This did not work" in text
