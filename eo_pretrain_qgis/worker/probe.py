"""Run by another Python: imports the modules named as arguments and prints one line of JSON about them."""

import importlib
import json
import sys

found, broken = {}, {}
for name in sys.argv[1:]:
    try:
        module = importlib.import_module(name)
        found[name] = str(getattr(module, "__version__", ""))
    except (ImportError, OSError, AttributeError, RuntimeError, ValueError, TypeError) as error:
        broken[name] = f"{type(error).__name__}: {error}"
facts = {"version": list(sys.version_info[:3]), "prefix": sys.prefix, "packages": found, "broken": broken}
sys.stdout.write("\n" + json.dumps(facts) + "\n")
