"""The list of a choice: shows what each option means, and gives the word that stands for it in scripts."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsProcessingContext, QgsProcessingParameterDefinition
from qgis.PyQt.QtWidgets import QComboBox, QWidget

from ..jobs.values import word_of
from .own_widget import OwnWidget
from .translation import tr

#: Characters that a list takes in a dialog at least; a longer label may be cut off, and does not widen the dialog.
WIDTH = 20


class ChoiceWidget(OwnWidget):
    """Lists the labels of an enumeration of words. Its fact `labels` has one for each word, in their order."""

    def createWidget(self) -> QWidget:
        self._list = QComboBox()
        self._list.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._list.setMinimumContentsLength(WIDTH)
        if self.is_optional():
            self._list.addItem(tr("Not set"), None)
        for word, label in zip(self.parameterDefinition().options(), self.facts["labels"]):
            self._list.addItem(label, word)
        self._list.currentIndexChanged.connect(lambda: self.widgetValueHasChanged.emit(self))
        return self.held(self._list)

    def setWidgetValue(self, value: Any, context: QgsProcessingContext) -> None:
        word = value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value
        options = self.parameterDefinition().options()
        known = None if word in (None, "") else word_of(word, options)
        place = self._list.findData(known)
        if place < 0 and word not in (None, ""):  # a word that is none is kept, so that the job refuses it in words
            self._list.addItem(str(word), word)
            place = self._list.count() - 1
        self._list.setCurrentIndex(place)

    def widgetValue(self) -> str | None:
        return self._list.currentData()

    @staticmethod
    def in_designer(widget: QWidget, definition: QgsProcessingParameterDefinition, facts: dict[str, Any]) -> QWidget:
        """QGIS's own list with the labels in place of the words, which it keeps as the values."""
        labels = dict(zip(definition.options(), facts["labels"]))
        for found in widget.findChildren(QComboBox):
            if found.findData(definition.options()[0]) >= 0:
                for place in range(found.count()):
                    found.setItemText(place, labels.get(found.itemData(place), found.itemText(place)))
        return widget
