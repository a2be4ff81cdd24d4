"""The page of a check shows what is called by us in words, and paths and packages by their own names."""

import re

from eo_pretrain_qgis.worker.checkup import page


def rows(text):
    return dict(re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td></tr>", text))


def test_names_of_folders_and_packages_stay_as_they_are():
    facts = {"ok": True, "problems": [], "executable": "/home/a_b/eo_pretrain/bin/python", "inference": {"largest_difference": 0.5},
             "disk_free_gb": {"/home/a_b/.local/share/eo_pretrain": 12.5}, "packages": {"typing_extensions": "4.1"}}
    assert rows(page(facts)) == {"largest difference": "0.5", "ok": "True", "executable": "/home/a_b/eo_pretrain/bin/python",
                                 "/home/a_b/.local/share/eo_pretrain": "12.5", "typing_extensions": "4.1"}
