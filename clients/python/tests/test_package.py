import os
import re
import unittest

import oyez

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def text(*path):
    with open(os.path.join(HERE, *path)) as file:
        return file.read()


class Package(unittest.TestCase):
    def test_the_version_is_the_same_everywhere(self):
        for path in (("pyproject.toml",), ("dist-info", "METADATA")):
            found = re.search(r'(?m)^[Vv]ersion(?: =|:) "?([\w.]+)', text(*path))
            self.assertEqual(found.group(1), oyez.__version__, path)

    def test_the_entry_point_is_the_same_installed_and_embedded(self):
        embedded = text("dist-info", "entry_points.txt")
        self.assertEqual(embedded, "[pyats.easypy.plugins]\noyez = oyez.pyats:plugins\n")
        self.assertIn('[project.entry-points."pyats.easypy.plugins"]\noyez = "oyez.pyats:plugins"\n',
                      text("pyproject.toml"))

    def test_every_package_is_installed(self):
        found = sorted(
            os.path.relpath(folder, HERE).replace(os.sep, ".")
            for folder, _, files in os.walk(os.path.join(HERE, "oyez")) if "__init__.py" in files)
        listed = re.search(r"(?m)^packages = \[(.*)\]$", text("pyproject.toml")).group(1)
        self.assertEqual(sorted(re.findall(r'"([^"]+)"', listed)), found)
