"""Lists the words of titles, labels and choices for translators in toolbox/i18n/*.ts, and compiles what is translated.

    python .ci/translations.py [LANGUAGE …]

A LANGUAGE is two or three letters (ISO 639). One that is new, such as fr, gets an empty list. What was translated before is kept,
words that are gone are dropped.
"""

import argparse
import ast
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[1]
TOOLBOX = ROOT / "eo_pretrain_qgis" / "toolbox"
I18N = TOOLBOX / "i18n"
CONTEXT = "EOPretrain"
#: Of a ready model, what is shown of it.
SHOWN = ("model_name", "model_group", "description", "component_description")
sys.path.insert(0, str(ROOT))

from eo_pretrain_qgis.jobs import JOBS, suggestions  # noqa: E402


def words() -> list[str]:
    """All that is looked up, in the order of the toolbox, each once."""
    found = [job.group for job in JOBS.values()]
    for job in JOBS.values():
        found.append(job.title)
        for param in job.parameters().values():
            found += [param.label, *([param.inside.text] if param.inside else [])]
            found += [label for word, label in zip(param.options, param.labels, strict=True) if label != word]
        found += [result.text for result in job.results.values()]
    found += suggestions.meanings()
    for path in [*sorted(TOOLBOX.rglob("*.py")), TOOLBOX.parent / "plugin.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("tr", "marked") and isinstance(node.args[0], ast.Constant):
                found.append(node.args[0].value)
    for path in sorted((TOOLBOX / "models").glob("*.model3")):
        options = ElementTree.parse(path).iter("Option")
        found += [option.get("value", "") for option in options if option.get("name") in SHOWN]
    return [word for word in dict.fromkeys(found) if word]


def translated(path: Path) -> dict[str, str]:
    """English → translation, of a .ts file; what is not translated yet is left out."""
    if not path.is_file():
        return {}
    messages = ElementTree.parse(path).iter("message")
    pairs = {message.findtext("source") or "": message.findtext("translation") or "" for message in messages}
    return {source: text for source, text in pairs.items() if text}


def write(path: Path, language: str) -> int:
    """Writes the list of a language and returns how many words are not translated."""
    known = translated(path)
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<!DOCTYPE TS>", f'<TS version="2.1" language="{language}" sourcelanguage="en">',
             "<context>", f"    <name>{CONTEXT}</name>"]
    for word in (asked := words()):
        text = f"<translation>{escape(known[word])}</translation>" if word in known else '<translation type="unfinished"></translation>'
        lines += ["    <message>", f"        <source>{escape(word)}</source>", f"        {text}", "    </message>"]
    path.write_text("\n".join([*lines, "</context>", "</TS>", ""]), encoding="utf-8")
    return sum(word not in known for word in asked)


def language(word: str) -> str:
    """A word that names a language, as argparse takes its type."""
    if not re.fullmatch("[a-z]{2,3}", word):
        raise argparse.ArgumentTypeError(f"“{word}” is no language. Give two or three small letters, such as fr.")
    return word


def main(given: list[str] | None = None) -> None:
    """Writes and compiles the languages there are, and those that are named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("languages", nargs="*", type=language, metavar="LANGUAGE", help="a new language, in two or three letters, such as fr")
    named = [I18N / f"eo_pretrain_qgis_{word}.ts" for word in parser.parse_args(given).languages]
    for path in sorted({*I18N.glob("*.ts"), *named}):
        missing = write(path, word := path.stem.rpartition("_")[2])
        subprocess.run(["lrelease", "-silent", path, "-qm", path.with_suffix(".qm")], check=True)
        print(f"translations: {word}: {len(words()) - missing} of {len(words())} words; {missing} are missing.")


if __name__ == "__main__":
    main()
