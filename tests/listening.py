"""Channels of progress that tests hand to work: one keeps what it hears, the other also asks the work to stop."""

import os
import time

from eo_pretrain_qgis.progress import Progress


def promised(seconds):
    """What a promise of so many seconds comes to on this machine now [s]: it is given for one that has little else to do."""
    return seconds * max(1.5, 1.5 * os.getloadavg()[0] / os.cpu_count())


class Listening(Progress):
    """Keeps every event in `events`, and when it came in `times`."""

    def __init__(self):
        self.events, self.times, self.asked, self.began = [], [], 0, time.monotonic()

    def emit(self, event):
        self.events.append(event)
        self.times.append(time.monotonic())

    def cancelled(self):
        self.asked += 1
        return False

    @property
    def said(self):
        """(level, sentence) of every message."""
        return [(event["level"], event["text"]) for event in self.events if event["event"] == "message"]

    @property
    def texts(self):
        """The sentences."""
        return [text for _, text in self.said]

    @property
    def warnings(self):
        return [text for level, text in self.said if level == "warning"]

    @property
    def lines(self):
        """The events of progress."""
        return [event for event in self.events if event["event"] == "progress"]

    @property
    def fraction(self):
        """How far the work was when it last spoke."""
        return self.lines[-1]["fraction"] if self.lines else 0.0

    @property
    def seconds(self):
        """How long ago it was made."""
        return time.monotonic() - self.began

    def reached(self, text, fraction=-1.0):
        """Whether a line with `text` in it was heard when the work was further than `fraction`."""
        return any(text in line["text"] and line["fraction"] > fraction for line in self.lines)


class Cancelling(Listening):
    """Asks the work to stop as soon as `after` is true of what was heard; it is told this channel."""

    def __init__(self, after):
        super().__init__()
        self.after = after

    def cancelled(self):
        return super().cancelled() or self.after(self)
