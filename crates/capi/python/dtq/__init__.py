"""Rules on telemetry inside a Python process: drop, edit and count records before they are exported.

`Rules` runs rules on OTLP requests; `dtq.otel` wraps the processors of the OpenTelemetry SDK, and `dtq.RulesFilter` is
a filter for the standard `logging`. Nothing here raises into the program that logs.
"""

import ctypes
import json
import logging
import os
import pathlib
import threading

from . import wire

ABI_VERSION = 1
PASS, DROP, CHANGED = 0, 1, 2
LOGS, METRICS, SPANS = 0, 1, 2


class Refused(ValueError):
    """The rules are wrong; the text says where and what to write instead."""


class _Bytes(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_size_t)]


_NOTICE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p)
_EMISSION = ctypes.CFUNCTYPE(
    ctypes.c_int32, ctypes.c_void_p, ctypes.c_int32, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t
)


class _Host(ctypes.Structure):
    _fields_ = [("context", ctypes.c_void_p), ("on_notice", _NOTICE), ("on_emission", _EMISSION)]


def _load():
    path = os.environ.get("DTQ_LIBRARY") or str(pathlib.Path(__file__).with_name("libdtq.so"))
    library = ctypes.CDLL(path)
    library.dtq_abi_version.restype = ctypes.c_uint32
    if library.dtq_abi_version() != ABI_VERSION:
        raise ImportError(f"{path} speaks version {library.dtq_abi_version()} of the calls, this package {ABI_VERSION}")
    pointer, size, text = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p
    held, host = ctypes.POINTER(_Bytes), ctypes.POINTER(_Host)
    for name in ("dtq_rules_new", "dtq_rules_open"):
        getattr(library, name).argtypes = [text, size, host, ctypes.POINTER(pointer), held]
    library.dtq_rules_reload.argtypes = [pointer, text, size, held]
    library.dtq_rules_judge.argtypes = [pointer, ctypes.c_int32, text, size, ctypes.POINTER(ctypes.c_int32), held]
    library.dtq_rules_tick.argtypes = [pointer]
    library.dtq_rules_accounts.argtypes = [pointer, held]
    library.dtq_rules_free.argtypes = [pointer]
    library.dtq_rules_free.restype = None
    library.dtq_bytes_free.argtypes = [held]
    library.dtq_bytes_free.restype = None
    return library


_library = _load()


def _take(held):
    content = ctypes.string_at(held.data, held.size) if held.data else b""
    _library.dtq_bytes_free(ctypes.byref(held))
    return content


class Rules:
    """The rules of a process.

    `Rules(text)` or `Rules(path=...)`; a file is looked at again about once a second. `on_notice(name, message)` hears
    what an operator should know, `on_emission(signal, destination, request)` takes requests that rules make.
    """

    def __init__(self, text=None, *, path=None, on_notice=None, on_emission=None):
        self._rules = ctypes.c_void_p()
        # Kept as long as the rules: the library calls them.
        self._host = _Host(None, self._notice_of(on_notice), self._emission_of(on_emission))
        self._local = threading.local()
        if (text is None) == (path is None):
            raise TypeError("either the text of the rules or path=")
        make = _library.dtq_rules_new if path is None else _library.dtq_rules_open
        given = (text if path is None else os.fspath(path)).encode()
        report = _Bytes()
        status = make(given, len(given), ctypes.byref(self._host), ctypes.byref(self._rules), ctypes.byref(report))
        self._check(status, report)

    @staticmethod
    def _notice_of(call):
        def on_notice(_, name, message):
            try:
                call(name.decode(), message.decode())
            except Exception:  # It must not unwind into the library.
                pass

        return _NOTICE(on_notice) if call else _NOTICE()

    @staticmethod
    def _emission_of(call):
        def on_emission(_, signal, destination, data, size):
            try:
                call(signal, destination and destination.decode(), ctypes.string_at(data, size))
                return 1
            except Exception:  # As above; the library counts it as lost.
                return 0

        return _EMISSION(on_emission) if call else _EMISSION()

    @staticmethod
    def _check(status, report):
        text = _take(report).decode()
        if status:
            raise Refused(text or f"libdtq: status {status}")

    def reload(self, text):
        """Takes other rules in the place of these; raises `Refused`, and those before go on."""
        given, report = text.encode(), _Bytes()
        self._check(_library.dtq_rules_reload(self._rules, given, len(given), ctypes.byref(report)), report)

    def judge(self, signal, request):
        """Returns the verdict on an OTLP request, and for CHANGED the bytes that go on."""
        verdict, changed = ctypes.c_int32(), _Bytes()
        if _library.dtq_rules_judge(
            self._rules, signal, request, len(request), ctypes.byref(verdict), ctypes.byref(changed)
        ):
            return PASS, None
        return verdict.value, _take(changed) if verdict.value == CHANGED else None

    def tick(self):
        """Gives `on_emission` what is due by the time."""
        _library.dtq_rules_tick(self._rules)

    def accounts(self):
        """Returns what rules did, as a dictionary."""
        held = _Bytes()
        _library.dtq_rules_accounts(self._rules, ctypes.byref(held))
        return json.loads(_take(held) or b"{}")

    def close(self):
        """Gives `on_emission` what rules still owe, and ends them; no other thread may use them then."""
        rules, self._rules = self._rules, ctypes.c_void_p()
        _library.dtq_rules_free(rules)


_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class RulesFilter(logging.Filter):
    """A filter for handlers and loggers of `logging`: a record is a row of `logs`, what is extra its Attributes.

    The logger's name is `Scope.Name`. A rule that edits cannot edit here: the record passes as it is.
    """

    def __init__(self, rules, resource=None):
        super().__init__()
        self._rules = rules
        self._resource = wire.resource(resource or {})

    def filter(self, record):
        try:
            extra = {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
            content = wire.log_record(
                time_ns=int(record.created * 1e9),
                severity_number=wire.severity_number(record.levelno),
                severity_text=record.levelname,
                body=record.getMessage(),
                attributes=extra,
            )
            verdict, _ = self._rules.judge(LOGS, wire.request(self._resource, wire.scope(record.name), content))
            return verdict != DROP
        except Exception:  # A record that cannot be judged passes.
            return True
