"""Titles, labels and choices in another language: all words are listed and compiled, and a German QGIS shows them."""

import ast
import importlib.util
from pathlib import Path

import pytest

from eo_pretrain_qgis.toolbox import links, translation
from eo_pretrain_qgis.toolbox.feedback import FeedbackProgress

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ("de",)
#: What shows its words in the window. QGIS declares parameters with labels, which `parameters.declare` has translated.
SHOWING = {"setText", "setToolTip", "setStatusTip", "setWhatsThis", "setPlaceholderText", "setWindowTitle", "setTitle", "setHelp", "addItem",
           "addAction", "QAction", "QLabel", "QPushButton", "QCheckBox", "QGroupBox", "createMessage", "pushMessage", "Setting", "insertText"}


@pytest.fixture(scope="module")
def lists():
    spec = importlib.util.spec_from_file_location("translations", ROOT / ".ci" / "translations.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def settings(provider):
    from eo_pretrain_qgis.toolbox import settings

    return settings


@pytest.fixture
def german(provider, settings):
    translator = translation.install("de_AT")
    settings.add(provider.icon())
    yield translator
    translation.remove(translator)
    settings.add(provider.icon())


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_is_missing(provider, lists, language):
    known = lists.translated(lists.I18N / f"eo_pretrain_qgis_{language}.ts")
    missing = [word for word in lists.words() if word not in known]
    assert not missing, f"{len(missing)} words have no {language} text; run `make translations` and fill them in: {missing[:10]}"
    assert not set(known) - set(lists.words()), "words that are gone stand in the list; run `make translations`"


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_compiled_is_what_is_listed(provider, lists, language):
    translator = translation.install(language)
    for word, text in lists.translated(lists.I18N / f"eo_pretrain_qgis_{language}.ts").items():
        assert translation.tr(word) == text, "run `make translations`"
    translation.remove(translator)


@pytest.mark.parametrize("language", LANGUAGES)
def test_units_and_gaps_stay(provider, lists, language):
    for word, text in lists.translated(lists.I18N / f"eo_pretrain_qgis_{language}.ts").items():
        for sign in ("[px]", "[m]", "[%]", "[m²]", "[dB]", "{", "}"):
            assert word.count(sign) == text.count(sign), word
        assert not text.endswith(".") or word.endswith("."), word


def test_a_german_dialog_speaks_german(provider, german):
    algorithm = provider.algorithm("predictmap").create()
    assert algorithm.displayName() == "Karte vorhersagen"
    assert algorithm.group() == "4 Karten"
    assert algorithm.groupId() == "4 Map" and algorithm.name() == "predictmap"
    assert algorithm.parameterDefinition("IMAGES").description() == "Bild"
    assert "Predict map" in algorithm.tags(), "it is found by its English title, too"


def shown_by(provider, settings):
    """All that the window shows of the algorithms, the ready models and the options page by itself, with where it stands."""
    from processing.core.ProcessingConfig import ProcessingConfig

    for row in ProcessingConfig.getSettings()[settings.GROUP]:
        yield from ((row.name, text) for text in (row.description, *(row.options or ())))
    for listed in provider.algorithms():
        algorithm = listed.create()
        yield from ((algorithm.name(), text) for text in (algorithm.displayName(), algorithm.group()))
        for definition in [*algorithm.parameterDefinitions(), *algorithm.outputDefinitions()]:
            yield f"{algorithm.name()} {definition.name()}", definition.description()


def test_all_that_a_german_window_shows_is_german(provider, german, settings, lists):
    words = set(lists.translated(lists.I18N / "eo_pretrain_qgis_de.ts").values())
    english = {f"{place}: {text}" for place, text in shown_by(provider, settings) if text not in words and not text.endswith(".json")}
    more = translation.tr("More files of “{}”")
    assert {text for text in english if more.format("") [:-1] not in text} == set()


def test_no_word_in_the_window_goes_without_translation(lists):
    bare = []
    for path in [*sorted(lists.TOOLBOX.rglob("*.py")), lists.TOOLBOX.parent / "plugin.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = getattr(node, "func", None)
            if getattr(called, "attr", getattr(called, "id", "")) in SHOWING:
                bare += [f"{path.name}: {text}" for argument in node.args if (text := literal_of(argument))]
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute) and node.targets[0].attr == "name":
                bare += [f"{path.name}: {text}" for text in [literal_of(node.value)] if text]  # of an action in the toolbox's context menu
    assert bare == [], "put tr(…) around these, and run `make translations`"


def literal_of(node):
    """The words of a literal that people read; names of settings, such as EO_PRETRAIN, are none."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    text = "".join(part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str))
    return text if any(letter.islower() for letter in text) else ""


@pytest.mark.parametrize("language", LANGUAGES)
def test_titles_that_words_quote_are_those_of_the_language(lists, language):
    known = lists.translated(lists.I18N / f"eo_pretrain_qgis_{language}.ts")
    for word, text in known.items():
        for quoted in translation.QUOTED.findall(word):
            assert known.get(quoted, quoted) in text, word


def test_a_german_options_page_keeps_the_word_for_scripts(provider, german, settings, monkeypatch):
    from processing.core.ProcessingConfig import ProcessingConfig
    from qgis.core import QgsSettings

    monkeypatch.delenv("EOPRETRAIN_DEVICE", raising=False)
    row, saved = ProcessingConfig.settings["EOPRETRAIN_DEVICE"], QgsSettings()
    assert row.value == "Automatisch: eine GPU, wo es eine gibt"
    row.setValue("Zweite NVIDIA-GPU")
    row.save()
    assert saved.value(row.qname) == settings.device() == "cuda:1"
    saved.setValue(row.qname, "Second NVIDIA GPU")  # as an earlier version kept it
    row.read()
    assert (row.value, settings.device()) == ("Zweite NVIDIA-GPU", "cuda:1")
    row.setValue(row.default)
    row.save()
    assert saved.value(row.qname) is None and settings.device() == "auto"


def test_a_german_options_page_tells_of_the_engines(provider, german, settings, monkeypatch):
    from processing.core.ProcessingConfig import ProcessingConfig

    row, engine = ProcessingConfig.settings["EOPRETRAIN_INSTALLED"], settings.environment.Installed
    monkeypatch.setattr(settings.environment, "installed", lambda: [engine("predict", "/data/eo/predict-2", None, False)])
    assert row.value == "Karten erstellen: etwa 1.1 GB in /data/eo/predict-2 (aus einer früheren Version)"
    monkeypatch.setattr(settings.environment, "installed", lambda: [])
    monkeypatch.setattr(settings.environment, "locations", lambda: ["/data/eo"])
    assert row.value == "keine; sie entstehen in /data/eo"


def test_a_missing_engine_is_told_in_german(provider, german, settings, monkeypatch, folder):
    monkeypatch.delenv("EOPRETRAIN_ENGINE", raising=False)
    monkeypatch.setattr(settings.environment, "locations", lambda: [str(folder)])
    link = '„<a href="eopretrain:installengine">Engine installieren</a>“'
    assert provider.algorithm("predictmap").create().canExecute() == (False, f"Die Engine ist nicht installiert. Zuerst {link} ausführen.")
    told = provider.algorithm("pretraininpainting").create().canExecute()[1]
    assert told == f"Die Engine ist nicht installiert. Zuerst {link} mit „Trainieren und Karten erstellen“ (train) ausführen."
    monkeypatch.setattr(settings.environment, "_named_in", lambda place, kind: "/python" if kind == "predict_gpu" else "")
    assert provider.algorithm("pretraininpainting").create().canExecute()[1].startswith("Die installierte Engine erstellt Karten und kann nicht")


def test_a_german_toolbox_offers_german_actions_filters_and_help(provider, german):
    from eo_pretrain_qgis.toolbox.model_copies import EditCopy

    assert EditCopy().name == "Kopie im Modelldesigner bearbeiten…"
    algorithm = provider.algorithm("evaluatemodel").create()
    assert algorithm.parameterDefinition("MODEL").fileFilter().startswith("ONNX-Dateien (*.onnx)")
    assert "<b>Auf diesem Rechner</b>" in provider.algorithm("installengine").create().shortHelpString()
    assert provider.algorithm("predictmap").create().parameterDefinition("MORE_IMAGES").help().startswith("Wenn seine Kanäle in mehreren Dateien")


def test_other_languages_stay_english(provider):
    assert translation.install("fr_FR") is None
    assert provider.algorithm("predictmap").create().displayName() == "Predict map"


@pytest.mark.parametrize("given, code, said", [("--help", 0, "LANGUAGE"), ("../fr", 2, "“../fr” is no language. Give two or three small letters")])
def test_what_is_no_language_makes_no_list(lists, given, code, said, capsys):
    before = sorted(lists.I18N.iterdir())
    with pytest.raises(SystemExit) as ended:
        lists.main([given])
    heard = capsys.readouterr()
    assert ended.value.code == code and said in heard.out + heard.err
    assert sorted(lists.I18N.iterdir()) == before


def test_sentences_quote_labels_as_the_dialog_shows_them(provider, german, feedback):
    sentence = "Name them in “Bands”, give an “Extent”, or run “Draw an assessment sample”; “My layer” stays, as does Bands."
    assert translation.as_shown(sentence) == ("Name them in “Kanäle”, give an “Ausdehnung”, or run “Stichprobe zur Beurteilung ziehen”; “My layer” "
                                              "stays, as does Bands.")
    assert translation.as_shown("“Roads” has no CRS. See “Roads”.", {"Roads"}) == "“Roads” has no CRS. See “Roads”.", "a layer keeps its name"
    progress = FeedbackProgress(feedback, {"/tmp/a/features.gpkg": "Extent"}, {"Image"})
    progress.message("/tmp/a/features.gpkg and “Image” miss each other. Check “Extent”.")
    progress.message("Name them in “Bands”.", level="warning")
    assert feedback.said == ["“Extent” and “Image” miss each other. Check “Ausdehnung”."] and feedback.warned == ["Name them in “Kanäle”."]


def test_refusals_and_help_quote_german_labels(provider, german, context, folder):
    algorithm = provider.algorithm("predictmap").create()
    wrong = {"MODEL": str(folder / "none.onnx"), "OUTPUT": str(folder / "map.tif"), "IMAGES": "nowhere.tif"}
    assert algorithm.checkParameterValues(wrong, context)[1].startswith("“Bild” (IMAGES): nowhere.tif is no raster layer")
    assert "“Predict map”" not in provider.algorithm("mapfrompoints").shortHelpString()
    assert "“Karte vorhersagen”" in provider.algorithm("mapfrompoints").shortHelpString()
    assert links.linked("Run “Install the engine” (eopretrain:installengine) again.") == (
        'Run “<a href="eopretrain:installengine">Engine installieren</a>” again.')


def test_in_english_sentences_stay(provider):
    sentence = "Name them in “Bands” (bands)."
    assert translation.as_shown(sentence) == sentence
