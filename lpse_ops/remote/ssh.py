"""SSH to the hosts of a site: persistent connections, strict host keys, parallel opening.

paramiko is used directly; fabric on top of it costs import time and threads a command, and its runner cannot
give every read a deadline. The import is lazy (0.3-0.6 s).
"""

import logging
import shlex
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self

from lpse_ops.errors import HostKeyError, LpseError, Refused, UnreachableError
from lpse_ops.i18n import _
from lpse_ops.remote import NODE_COMMAND, NodeReply
from lpse_ops.remote.replies import LAST_WORDS, error_for, parse_reply, reply_lost
from lpse_ops.waiting import scaled

if TYPE_CHECKING:
    from lpse_ops.site import Site

USER = "lpse-hot"
KEEPALIVE_S = 3
PEER_SILENT_MS = 10_000
CHUNK = 65536
_IMPORTING = threading.Lock()


@dataclass(frozen=True)
class Reach:
    """How hosts are reached where there is no inventory yet: addresses by name, trusted keys, private key."""

    hosts: Mapping[str, str]
    known_hosts: Path
    identity_file: Path | None


class Fleet:
    """Connections to the hosts of `site` as ``lpse-hot``; see `lpse_ops.remote.Remote`."""

    def __init__(self, site: "Site | Reach") -> None:
        """Given a site (or how single hosts are reached), connect to nothing yet."""
        self._addresses = dict(site.hosts)
        self._known_hosts = site.known_hosts
        self._identity = site.identity_file
        self._clients: dict[str, Any] = {}
        self._locks = {host: threading.Lock() for host in self._addresses}
        self._reached: dict[str, float] = {}
        self._closed = False

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        self.close()

    def open(self, hosts: Sequence[str], timeout_s: float = 5.0) -> dict[str, LpseError]:
        """Given host names, connect to all at once and return the reason for each that could not be reached."""
        _paramiko()  # once, before the threads: an import in several threads at a time only waits
        deadline = time.monotonic() + scaled(timeout_s)
        failures: dict[str, LpseError] = {host: _silent(host, timeout_s) for host in hosts}
        outcome = threading.Lock()

        def connect(host: str) -> None:
            try:
                self._transport(host, scaled(timeout_s))
            except LpseError as error:
                with outcome:
                    failures[host] = error
            else:
                with outcome:
                    failures.pop(host, None)

        # Daemon threads, not a pool: a host that hangs in its greeting must not hold up the others or the
        # exit.
        threads = [threading.Thread(target=connect, args=(host,), daemon=True) for host in hosts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        with outcome:
            return dict(failures)

    def reached(self, host: str, since: float) -> bool:
        """Return whether the kernel of a host has answered since then; see `lpse_ops.remote.Remote.reached`."""
        return self._reached.get(host, -1.0) >= since

    def node(
        self, host: str, verb_argv: Sequence[str], *, stdin: str = "", timeout_s: float = 30.0
    ) -> NodeReply:
        """Run a verb and return its answer; see `lpse_ops.remote.Remote.node`."""
        started = time.monotonic()
        verb = verb_argv[0]
        channel = Channel(host, verb, self._start(host, verb_argv))
        try:
            if stdin:
                channel.send(stdin)
            channel.end_input()
            text, errors, code = channel.read_all(scaled(timeout_s))
        finally:
            channel.close()
        if code != 0:
            raise error_for(host, verb, code, text, errors)
        return NodeReply(parse_reply(host, verb, text), code, time.monotonic() - started)

    def channel(self, host: str, verb_argv: Sequence[str]) -> "Channel":
        """Start a long-lived verb and return its channel."""
        return Channel(host, verb_argv[0], self._start(host, verb_argv))

    def close(self) -> None:
        """Close every connection. Raise nothing."""
        self._closed = True
        for client in list(self._clients.values()):
            client.close()
        self._clients.clear()

    def _start(self, host: str, verb_argv: Sequence[str]) -> Any:
        """Return a session in which the verb was started.

        Nothing was sent if this raises, except as it says.
        """
        paramiko = _paramiko()
        command = shlex.join([*NODE_COMMAND, *verb_argv])
        try:
            session = self._transport(host, scaled(5.0)).open_session(timeout=scaled(5.0))
        except (paramiko.SSHException, EOFError, OSError) as error:
            self._forget(host)
            raise _unreachable(host, error) from error
        try:
            session.exec_command(command)
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise reply_lost(host, verb_argv[0], _words(error)) from error
        return session

    def _transport(self, host: str, timeout_s: float) -> Any:
        """Return the live transport of a host, connecting (again) if there is none."""
        if host not in self._addresses:
            raise UnreachableError(_("The inventory knows no host %(host)s.") % {"host": host})
        with self._locks[host]:
            client = self._clients.get(host)
            if client is None or not client.get_transport() or not client.get_transport().is_active():
                client = self._clients[host] = self._connect(host, timeout_s)
                if self._closed:
                    client.close()
            return client.get_transport()

    def _forget(self, host: str) -> None:
        with self._locks[host]:
            client = self._clients.pop(host, None)
        if client is not None:
            client.close()

    def _connect(self, host: str, timeout_s: float) -> Any:
        paramiko = _paramiko()
        address = self._addresses[host]
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(_Reject(host, self._known_hosts))
        try:
            _load_known_hosts(client, self._known_hosts)
            sock = self._knock(host, timeout_s)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, PEER_SILENT_MS)
            client.connect(
                address,
                username=USER,
                sock=sock,
                pkey=_identity(self._identity),
                allow_agent=self._identity is None,
                look_for_keys=False,
                timeout=timeout_s,
                banner_timeout=timeout_s,
                auth_timeout=timeout_s,
            )
            client.get_transport().set_keepalive(KEEPALIVE_S)
        except paramiko.BadHostKeyException as error:
            client.close()
            raise _changed_key(host, error.key, self._known_hosts) from error
        except paramiko.AuthenticationException as error:
            client.close()
            raise _not_admitted(host, self._identity) from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            client.close()
            raise _unreachable(host, error) from error
        except LpseError:
            client.close()
            raise
        return client

    def _knock(self, host: str, timeout_s: float) -> socket.socket:
        """Connect to a host's SSH port; remember whether anything answered there."""
        try:
            sock = socket.create_connection((self._addresses[host], 22), timeout=timeout_s)
        except ConnectionRefusedError:
            self._reached[host] = time.monotonic()
            raise
        self._reached[host] = time.monotonic()
        return sock


class Channel:
    """A running verb; see `lpse_ops.remote.NodeChannel`."""

    def __init__(self, host: str, verb: str, session: Any) -> None:
        """Given a session in which the verb was started."""
        self._host = host
        self._verb = verb
        self._session = session
        self._buffer = b""

    @property
    def alive(self) -> bool:
        """Return whether the verb still runs, as far as this end knows."""
        session = self._session
        return bool(
            session.get_transport().is_active() and not session.closed and not session.exit_status_ready()
        )

    def send(self, text: str) -> None:
        """Given text, send it. Raise UnreachableError if the channel is gone."""
        try:
            self._session.settimeout(scaled(10.0))
            self._session.sendall(text.encode())
        except OSError as error:
            raise reply_lost(self._host, self._verb, _words(error)) from error

    def send_line(self, line: str) -> None:
        """Given a line without its newline, send it. Raise UnreachableError if the channel is gone."""
        self.send(line.rstrip("\n") + "\n")

    def end_input(self) -> None:
        """Tell the verb that no more input comes. Raise UnreachableError if the channel is gone."""
        try:
            self._session.shutdown_write()
        except (OSError, EOFError) as error:
            raise reply_lost(self._host, self._verb, _words(error)) from error

    def read_reply(self, timeout_s: float = 10.0) -> dict[str, Any]:
        """Return the next line of JSON. Raise what `Fleet.node` raises if the verb ended instead."""
        deadline = time.monotonic() + scaled(timeout_s)
        while b"\n" not in self._buffer:
            chunk = self._receive(self._session.recv, deadline)
            if not chunk:
                self._ended(deadline)
            self._buffer += chunk
        line, __, self._buffer = self._buffer.partition(b"\n")
        data = parse_reply(self._host, self._verb, line.decode(errors="replace"))
        if LAST_WORDS & data.keys():
            code = self._exit_code(deadline)
            if code != 0:
                raise error_for(self._host, self._verb, code, line.decode(errors="replace"), "")
        return data

    def read_all(self, timeout_s: float) -> tuple[str, str, int]:
        """Return stdout, stderr and exit code of the verb.

        Raise UnreachableError if it does not end in time.
        """
        deadline = time.monotonic() + timeout_s
        out = self._drain(self._session.recv, deadline)
        errors = self._drain(self._session.recv_stderr, deadline)
        return out, errors, self._exit_code(deadline)

    def close(self) -> None:
        """Close the channel. Raise nothing."""
        # paramiko answers a close on a dead transport with the transport's own error: gone is what is wanted
        # here.
        _quietly(self._session.close)

    def _ended(self, deadline: float) -> NoReturn:
        text = self._buffer.decode(errors="replace")
        errors = self._drain(self._session.recv_stderr, deadline)
        code = self._exit_code(deadline)
        if code == 0:
            raise reply_lost(self._host, self._verb, _("it ended without an answer"))
        raise error_for(self._host, self._verb, code, text, errors)

    def _drain(self, receive: Callable[[int], bytes], deadline: float) -> str:
        parts = []
        while chunk := self._receive(receive, deadline):
            parts.append(chunk)
        return b"".join(parts).decode(errors="replace")

    def _receive(self, receive: Callable[[int], bytes], deadline: float) -> bytes:
        self._session.settimeout(max(0.01, deadline - time.monotonic()))
        try:
            return receive(CHUNK)
        except TimeoutError as error:
            raise reply_lost(self._host, self._verb, _("no answer in time")) from error
        except (OSError, EOFError) as error:
            raise reply_lost(self._host, self._verb, _words(error)) from error

    def _exit_code(self, deadline: float) -> int:
        if not self._session.status_event.wait(max(0.5, deadline - time.monotonic())):
            raise reply_lost(self._host, self._verb, _("no answer in time"))
        code = int(self._session.exit_status)
        if code < 0:
            raise reply_lost(self._host, self._verb, _("the connection broke"))
        return code


class _Reject:
    """Refuse a host that known_hosts does not name, with the key that it showed."""

    def __init__(self, host: str, known_hosts: Path) -> None:
        self._host = host
        self._known_hosts = known_hosts

    def missing_host_key(self, client: Any, hostname: str, key: Any) -> NoReturn:
        raise HostKeyError(
            _("%(host)s (%(address)s) is not in %(file)s; it shows the %(kind)s key %(fingerprint)s.")
            % {
                "host": self._host,
                "address": hostname,
                "file": self._known_hosts,
                "kind": key.get_name(),
                "fingerprint": key.fingerprint,
            },
            hint=_("Compare the fingerprint at the host's console, then add the key to known_hosts."),
        )


def _changed_key(host: str, key: Any, known_hosts: Path) -> HostKeyError:
    return HostKeyError(
        _(
            "The host key of %(host)s has changed: it shows the %(kind)s key %(fingerprint)s, %(file)s "
            "names another."
        )
        % {"host": host, "kind": key.get_name(), "fingerprint": key.fingerprint, "file": known_hosts},
        hint=_(
            "A machine set up anew, or an impostor. Compare the fingerprint at its console, then replace the "
            "line."
        ),
    )


def _not_admitted(host: str, identity: Path | None) -> Refused:
    key = str(identity) if identity else _("the keys of the SSH agent")
    return Refused(
        _("%(host)s does not admit the user lpse-hot with %(key)s.") % {"host": host, "key": key},
        hint=_("Put the public key under access.public_keys and run: lpse-ops provision %(host)s")
        % {"host": host},
    )


def _unreachable(host: str, error: BaseException) -> UnreachableError:
    return UnreachableError(
        _("Host %(host)s does not answer on SSH: %(why)s") % {"host": host, "why": _words(error)},
        hint=_("Check power, cable and switch port of %(host)s, and that its ssh service runs.")
        % {"host": host},
    )


def _silent(host: str, timeout_s: float) -> UnreachableError:
    return _unreachable(host, TimeoutError(_("silent for %(seconds)g s") % {"seconds": timeout_s}))


def _words(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _load_known_hosts(client: Any, known_hosts: Path) -> None:
    """A missing file knows nobody: every host is then refused with the key it shows."""
    if known_hosts.is_file():
        client.load_system_host_keys(str(known_hosts))


def _identity(path: Path | None) -> Any:
    """Return the private key of a file, None for the agent. Raise Refused if it cannot be used."""
    if path is None:
        return None
    paramiko = _paramiko()
    try:
        return paramiko.PKey.from_path(str(path))
    except (OSError, ValueError, TypeError, paramiko.SSHException) as error:
        raise Refused(
            _("The SSH key %(file)s cannot be used: %(why)s") % {"file": path, "why": _words(error)},
            hint=_(
                "Give it mode 0600 and no passphrase, or drop access.identity_file and use the SSH agent."
            ),
        ) from error


def _quietly(action: Callable[[], None]) -> None:
    try:
        action()
    except (OSError, EOFError, _paramiko().SSHException):
        return


def _paramiko() -> Any:
    """Return the module paramiko.

    It imports invoke (0.2 s) for a key of ssh_config that is never used here, and does without where there
    is none.
    """
    with _IMPORTING:
        hidden = not {"paramiko", "invoke"} & sys.modules.keys()
        if hidden:
            sys.modules["invoke"] = None  # type: ignore[assignment]
        try:
            import paramiko
        finally:
            if hidden:
                del sys.modules["invoke"]
        logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    return paramiko
