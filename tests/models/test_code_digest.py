"""The digest of code changes with every file that has a say, and with no other."""

import sys
from types import ModuleType

from bandwatch.models import code_digest


def test_what_is_imported_counts_however_late_and_what_is_not_does_not(tmp_path, monkeypatch):
    monkeypatch.setattr(code_digest, "_HERE", tmp_path)
    inner = tmp_path / "inner"
    inner.mkdir()
    sources = {
        tmp_path / "trainer.py": "def train():\n    from .inner.network import Network\n",
        inner / "network.py": "from ..layers import Layer\nfrom . import start\n",
        tmp_path / "layers.py": "import math\nfrom .inner.network import Network\n",  # a circle
        inner / "start.py": "",
        tmp_path / "other.py": "from .layers import Layer\n",
    }
    for path, text in sources.items():
        path.write_text(text)
    module = ModuleType("trainer_of_a_test")
    module.__file__ = str(tmp_path / "trainer.py")
    monkeypatch.setitem(sys.modules, "trainer_of_a_test", module)

    def digest():
        return code_digest.code_digest.__wrapped__("trainer_of_a_test")

    changed = {}
    for path, text in sources.items():
        before = digest()
        path.write_text(text + "# changed\n")
        changed[path.name] = digest() != before
    assert changed == {
        "trainer.py": True,
        "network.py": True,
        "layers.py": True,
        "start.py": True,
        "other.py": False,
    }
