"""Words in the user's language: titles, labels and choices of jobs are looked up by their English text, so jobs need no QGIS to say them.

So are the words that the window shows by itself: buttons, messages, the options page. Sentences of the engine, of the log and of refusals, and help
stay English, but for the labels and titles that they quote.
`make translations` lists the words in i18n/*.ts and compiles them.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QCoreApplication, QTranslator

CONTEXT = "EOPretrain"
FOLDER = Path(__file__).parent / "i18n"
QUOTED = re.compile("“([^“”]+)”")


def tr(text: str) -> str:
    """The text in the language of QGIS, or as it is."""
    return QCoreApplication.translate(CONTEXT, text) if text else text


def marked(text: str) -> str:
    """The text as it is, which the list of words takes up, so that `tr` knows it where it is shown."""
    return text


def as_shown(sentence: str, names: Collection[str] = ()) -> str:
    """An English sentence that quotes titles, labels and choices as people see them, so that they find what it speaks of.

    Args:
        sentence: of a job or the engine; what it quotes stands in “ and ”.
        names: of the user's layers and the like, which stay where they happen to be words of ours.
    """
    return QUOTED.sub(lambda quoted: quoted[0] if quoted[1] in names else f"“{tr(quoted[1])}”", sentence)


def install(language: str = "") -> QTranslator | None:
    """Loads the words of a language, that of QGIS unless one is named; the translator is to be kept, and given to `remove`.

    Args:
        language: such as ``de`` or ``de_AT``.

    Returns:
        None where there are none in this language.
    """
    translator = QTranslator()
    name = f"eo_pretrain_qgis_{(language or QgsApplication.locale())[:2].lower()}"
    if not (FOLDER / f"{name}.qm").is_file() or not translator.load(name, str(FOLDER)):
        return None
    QCoreApplication.installTranslator(translator)
    return translator


def remove(translator: QTranslator | None) -> None:
    """Takes away what `install` loaded."""
    if translator is not None:
        QCoreApplication.removeTranslator(translator)
