"""The demo, started as `make demo` starts it."""

from __future__ import annotations

import os
import shlex
import signal
import socket
from typing import Any

import pytest

from tests.test_example.site import Demo, Site, listens
from tests.test_example.visitor import Visitor, call
from tests.waiting import wait_until

pytestmark = [pytest.mark.localstripe, pytest.mark.slow]

# The demo of the fixture `running_demo` runs in difficult circumstances; see there.
EVENTS = "SELECT type, state FROM django_stripe_gateway_webhookevent WHERE object_id = ?"


def printed_curl(demo: Demo) -> dict[str, Any]:
    """Return the request that the printed command line would make."""
    line = next(line for line in demo.lines if line.startswith("curl "))
    words = shlex.split(line)
    request: dict[str, Any] = {"headers": {}}
    options = iter(words[1:])
    for word in options:
        match word:
            case "-X":
                request["method"] = next(options)
            case "-H":
                name, _, value = next(options).partition(": ")
                request["headers"][name] = value
            case "-d":
                request["body"] = next(options)
            case _:
                request["url"] = word
    return request


def wait_for_event(demo: Demo, object_id: str) -> list[tuple[Any, ...]]:
    """Wait until localstripe's webhook is in the inbox."""
    return wait_until(lambda: demo.site.rows(EVENTS, object_id), what=f"an event about {object_id}")


def test_printed_curl_pays_and_the_webhook_arrives(running_demo: Demo) -> None:
    request = printed_curl(running_demo)
    status, answer = call(**request)
    assert status == 201, answer
    assert answer["status"] == "confirmed"
    assert (answer["amount"], answer["currency"]) == ("10.00", "USD")
    assert answer["intent_id"].startswith("pi_")
    assert isinstance(answer["payment_id"], int)
    assert wait_for_event(running_demo, answer["intent_id"]) == [("payment_intent.succeeded", "processed")]
    running_demo.wait_for_output('webhook "payment_intent.succeeded" successfully delivered')

    url = f"{running_demo.url}/api/v1/payments/{answer['payment_id']}/logs/"
    status, logs = call("GET", url, headers={"Authorization": request["headers"]["Authorization"]})
    assert status == 200
    assert "status_changed" in str(logs)


def test_pages_open(running_demo: Demo) -> None:
    visitor = Visitor(running_demo.url)
    assert [visitor.get(path).status for path in ("/", "/login/", "/api/v1/docs/", "/api/v1/schema/")] == [200] * 4
    visitor.log_in("admin", "admin")
    assert visitor.get("/admin/django_stripe_gateway/payment/").status == 200
    assert visitor.get("/admin/django_stripe_gateway/webhookevent/").status == 200


def test_nothing_listens_beyond_loopback(running_demo: Demo) -> None:
    """localstripe itself would listen on every address of the machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # No packet is sent: this only asks which address of this machine faces the network.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no network address beside loopback")
        address = probe.getsockname()[0]
    assert listens(running_demo.stripe_port)
    assert not listens(running_demo.stripe_port, address)
    assert not listens(running_demo.port, address)


def test_keeps_to_its_directory(running_demo: Demo) -> None:
    state = running_demo.site.example / ".demo"
    assert state.stat().st_mode & 0o077 == 0
    assert (state / f"localstripe-{running_demo.stripe_port}").is_dir()
    assert {path.name for path in state.glob("*.log")} == {
        f"site-{running_demo.port}.log",
        f"localstripe-{running_demo.stripe_port}.log",
    }


def end(demo: Demo, number: int) -> None:
    """Send a signal, and assert that it ends everything and that nothing is left."""
    assert len(demo.site.processes()) == 3
    demo.popen.send_signal(number)
    assert demo.wait() == 0
    assert "Stopped." in demo.output
    assert "Traceback" not in demo.output
    assert demo.site.processes() == []
    assert not listens(demo.port)
    assert not listens(demo.stripe_port)


def test_signal_during_the_start(site: Site) -> None:
    with Demo(site) as demo:
        demo.wait_for_output("preparing the database")
        demo.popen.send_signal(signal.SIGINT)
        assert demo.wait() == 0
        assert "Traceback" not in demo.output
    assert site.processes() == []


def test_killed_demo_leaves_no_process(site: Site) -> None:
    with Demo(site) as demo:
        demo.wait_until_ready()
        demo.popen.kill()
        demo.popen.wait()
        wait_until(lambda: site.processes() == [], what="the end of the processes it started")


def test_ends_with_the_site(site: Site) -> None:
    """When a process ends by itself, the demo says so and stops the others."""
    with Demo(site) as demo:
        demo.wait_until_ready()
        pid = next(iter(site.process_ids("runserver")))
        os.kill(pid, signal.SIGKILL)
        assert demo.wait() == 1
        assert "site has ended with code -9" in demo.output
    assert site.processes() == []


def test_second_start_keeps_what_the_first_left(site: Site) -> None:
    with Demo(site) as first:
        status, answer = call(**printed_curl(first.wait_until_ready()))
        assert status == 201
        prices = site.rows("SELECT id, stripe_price_id FROM django_stripe_gateway_planpricing")
        assert [price_id[:5] for _id, price_id in prices] == ["plan_"] * 3
        end(first, signal.SIGINT)
    with Demo(site, stripe_port=first.stripe_port) as second:
        request = printed_curl(second.wait_until_ready())
        url = f"{second.url}/api/v1/payments/{answer['payment_id']}/refund_payment/"
        # localstripe still knows the payment, the site the token.
        status, refunded = call("POST", url, body='{"amount": "3.00"}', headers=request["headers"])
        assert (status // 100, "3.00" in str(refunded)) == (2, True), refunded
        end(second, signal.SIGHUP)
    assert site.rows("SELECT count(*) FROM auth_user") == [(2,)]
    assert site.rows("SELECT count(*) FROM authtoken_token") == [(1,)]
    assert site.rows("SELECT id, stripe_price_id FROM django_stripe_gateway_planpricing") == prices


def test_busy_ports(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        port, stripe_port = one.getsockname()[1], other.getsockname()[1]
        with Demo(site, port=port, stripe_port=stripe_port) as demo:
            demo.wait_until_ready()
            assert f"Port {port} is busy: the site uses " in demo.output
            assert f"Port {stripe_port} is busy: localstripe uses " in demo.output
            request = printed_curl(demo)
            assert f":{port}/" not in request["url"]
            status, answer = call(**request)
            assert (status, answer["status"]) == (201, "confirmed")
            wait_for_event(demo, answer["intent_id"])
            demo.popen.send_signal(signal.SIGTERM)
            assert demo.wait() == 0
    assert site.processes() == []


def test_workers(site: Site) -> None:
    """The site only stores the webhook; a worker handles it."""
    with Demo(site, WORKERS="2") as demo:
        demo.wait_until_ready()
        assert "Workers that handle the webhooks: 2" in demo.output
        assert len(site.process_ids("db_worker")) == 2
        assert len(site.process_ids("process_webhooks")) == 1
        status, answer = call(**printed_curl(demo))
        assert (status, answer["status"]) == (201, "confirmed")
        wait_until(
            lambda: [row[1] for row in site.rows(EVENTS, answer["intent_id"])] == ["processed"], what="the event"
        )
        # The e-mail about the payment is handed over by the event, to a worker that may be the quicker of the two.
        done = {("SUCCESSFUL", '"processed"'), ("SUCCESSFUL", '"sent"')}
        wait_until(
            lambda: set(site.rows("SELECT status, return_value FROM django_tasks_database_dbtaskresult")) == done,
            what="the tasks of the event and of its e-mail",
        )
        assert demo.popen.poll() is None
        demo.popen.send_signal(signal.SIGINT)
        assert demo.wait() == 0
        assert "Traceback" not in demo.output
    assert site.processes() == []


def test_bad_number_of_workers(site: Site) -> None:
    with Demo(site, "--workers", "many") as demo:
        assert demo.wait() == 2
    assert "'many' is no number of workers" in demo.output


def test_bad_port(site: Site) -> None:
    with Demo(site, PORT="http", port=None) as demo:
        assert demo.wait() == 2
    assert "'http' is not a port" in demo.output


def test_broken_env_file_gets_its_sentence(site: Site) -> None:
    (site.root / ".env").write_text("nonsense\n")
    with Demo(site) as demo:
        assert demo.wait() == 1
    assert "Line 1 of " in demo.output
    assert "Traceback" not in demo.output
