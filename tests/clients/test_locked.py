"""What the clients are installed from: every file by its hash, from whichever registry the machine is set up for."""

import json

import pytest

from tests.clients.conversing import HERE


@pytest.mark.parametrize("path", sorted(HERE.glob("requirements-*.txt")), ids=lambda path: path.name)
def test_locked_requirements_have_hashes_and_name_no_registry(path):
    text = path.read_text()

    pins = [line for line in text.splitlines() if "==" in line]
    assert pins
    assert all(line.endswith("\\") for line in pins)
    assert "://" not in text


def test_locked_packages_have_hashes_and_name_no_registry():
    packages = json.loads((HERE / "package-lock.json").read_text())["packages"]

    installed = [package for path, package in packages.items() if path]
    assert installed
    assert all("integrity" in package and "resolved" not in package for package in installed)
