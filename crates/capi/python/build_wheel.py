#!/usr/bin/env python3
"""Packs the package and libdtq.so into a wheel: build_wheel.py LIBRARY FOLDER. Needs nothing but Python."""

import base64
import hashlib
import pathlib
import sys
import sysconfig
import zipfile

VERSION = "0.1.0"


def main(library, folder):
    here = pathlib.Path(__file__).parent
    tag = "py3-none-" + sysconfig.get_platform().replace("-", "_").replace(".", "_")
    info = f"dtq-{VERSION}.dist-info"
    files = {f"dtq/{path.name}": path.read_bytes() for path in sorted((here / "src" / "dtq").glob("*.py"))}
    files["dtq/py.typed"] = b""
    files["dtq/libdtq.so"] = pathlib.Path(library).read_bytes()
    files[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: dtq\nVersion: {VERSION}\n"
        "Summary: Rules on telemetry inside a Python process\nLicense: Apache-2.0\nRequires-Python: >=3.9\n"
        "Provides-Extra: otel\nRequires-Dist: opentelemetry-sdk>=1.39; extra == 'otel'\n"
    ).encode()
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: dtq\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()
    rows = []
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.append(f"{name},sha256={digest},{len(content)}\n")
    files[f"{info}/RECORD"] = ("".join(rows) + f"{info}/RECORD,,\n").encode()
    path = pathlib.Path(folder) / f"dtq-{VERSION}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, content in files.items():
            wheel.writestr(name, content)
    print(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
