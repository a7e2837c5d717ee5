"""Which ports a stack takes."""

import socket
import subprocess

import pytest

from common.core.errors import ConfigError
from devstack.ports import HOST, PREFERRED, Claims, choose_ports, is_free


def test_a_first_start_takes_the_preferred_ports() -> None:
    assert choose_ports(PREFERRED, {}, lambda _port: True) == PREFERRED


def test_a_later_start_takes_the_ports_it_had() -> None:
    last = {"postgres": 5440, "s3": 4600}
    assert choose_ports(last, last, lambda _port: True) == last


def test_a_taken_port_gives_the_next_free_one() -> None:
    assert choose_ports(["s3"], {}, lambda port: port >= 4570) == {"s3": 4570}


def test_two_services_never_share_a_port() -> None:
    chosen = choose_ports(["api-server", "standins"], {}, lambda port: port >= 8095)
    assert chosen == {"api-server": 8095, "standins": 8096}


def test_no_free_port_is_an_error_that_names_the_service() -> None:
    with pytest.raises(ConfigError, match=r"postgres needs a TCP port on 127.0.0.1: none from 5433"):
        choose_ports(["postgres"], {}, lambda _port: False)


def test_a_port_is_free_until_somebody_listens() -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
    assert is_free(port)


def test_a_port_that_one_stack_holds_is_no_others_though_nobody_listens() -> None:
    with Claims() as mine:
        port = choose_ports(["s3"], {}, mine.take)["s3"]
        with Claims() as others:
            assert choose_ports(["s3"], {"s3": port}, others.take)["s3"] != port
    with Claims() as later:
        assert later.take(port)


def test_a_port_stays_held_by_a_process_that_inherited_it() -> None:
    with Claims() as mine:
        port = choose_ports(["s3"], {}, mine.take)["s3"]
        heir = subprocess.Popen(["sleep", "60"], pass_fds=mine.files)
    with heir, Claims() as others:
        assert not others.take(port)
        heir.kill()
        heir.wait()
        assert others.take(port)


def test_a_port_that_somebody_listens_on_cannot_be_taken() -> None:
    with socket.create_server((HOST, 0)) as server, Claims() as claims:
        assert not claims.take(server.getsockname()[1])
        assert claims.files == []
