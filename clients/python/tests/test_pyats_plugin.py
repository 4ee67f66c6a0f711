"""The plugin against a pyATS made of stubs: the names that the plugin touches and nothing else."""

import json
import os
import subprocess
import sys
import unittest

from tests.fake_server import program, read_kept, short_folder

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

STUBS = {
    "pyats/__init__.py": "",
    "pyats/configuration.py": "configuration = {'report.format': %r}\n",
    "pyats/reporter/exceptions.py": """
class ConnectionBrokenError(ConnectionError): pass
class ConnectionClosedError(ConnectionError): pass
class MessageReceiveError(ConnectionError): pass
""",
    "pyats/reporter/__init__.py": """
import functools, logging, multiprocessing.util, os
log = logging.getLogger('pyats.reporter.client')
class ReportServer:
    def __init__(self, runtimedir):
        self._socketpath = 'the socket of pyATS'
    def start_server(self, timeout=10): self.did = 'started'
    def stop_server(self, client=None, kwargs=None, timeout=30): self.did = 'stopped'
class ReportClient:
    def __init__(self, socketpath, ppid=None):
        self._socketpath, self._conn = socketpath, None
    def enable_forked(self): multiprocessing.util.register_after_fork(self, self.forked)
    @staticmethod
    def forked(instance): instance.connect()
    def close(self): self._conn.close()
    def _socket_wrapper(self, _name, **kwargs):
        self._conn.send({'name': _name, 'data': kwargs})
        reply = self._conn.recv()
        if isinstance(reply, dict) and 'exception' in reply:
            log.error('Exception from server:')
            raise reply['exception']
        return reply
    def __getattr__(self, name):
        return functools.partial(self._socket_wrapper, _name=name)
""",
    "pyats/easypy/__init__.py": "",
    "pyats/easypy/reporter/__init__.py": "",
    "pyats/easypy/reporter/ae.py": "from pyats.reporter import ReportClient, ReportServer\n",
}

# what easypy's reporter does, then what the test wants to know
EASYPY = """
import json, logging, os, sys
logging.basicConfig(format='%(name)s %(levelname)s %(message)s')
import oyez.pyats
from pyats.easypy.reporter import ae
out = {'plugins': oyez.pyats.plugins}
server = ae.ReportServer(runtimedir=sys.argv[1])
server.start_server()
out['socket'] = server._socketpath
out['server'] = ae.ReportServer.__module__
out['client'] = ae.ReportClient.__module__
if out['client'] == 'oyez.pyats.client':
    client = ae.ReportClient(socketpath=server._socketpath)
    client.connect()
    client.enable_forked()
BODY
    client.close()
server.stop_server()
print(json.dumps(out))
"""


class PluginCase(unittest.TestCase):
    def setUp(self):
        self.folder = short_folder(self)
        self.stub("json")

    def stub(self, report_format, **replaced):
        for path, text in dict(STUBS, **replaced).items():
            path = os.path.join(self.folder, "stubs", path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as file:
                file.write(text % report_format if "%r" in text else text)

    def run_job(self, body="    pass", **environment):
        for key in ("OYEZ_PYATS", "OYEZ_PYATS_STRICT", "OYEZ_PYATS_JOB", "OYEZ_DATA"):
            environment.setdefault(key, "")
        environment = dict(os.environ, OYEZ_RECONNECT_SECONDS="20", **environment)
        environment["PYTHONPATH"] = os.pathsep.join([os.path.join(self.folder, "stubs"), HERE])
        done = subprocess.run(
            [sys.executable, "-c", EASYPY.replace("BODY", body), self.folder],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return json.loads(done.stdout.decode()), done.stderr.decode()

    def arguments(self):
        with open(os.path.join(self.folder, "starts")) as file:
            return json.loads(file.readline())[1:]


class Replacing(PluginCase):
    def test_the_run_reports_to_oyez_and_pyats_sees_no_plugin(self):
        out, err = self.run_job("    out['ping'] = client.ping()", OYEZ_BIN=program(self.folder))
        self.assertEqual(err, "")
        self.assertEqual((out["plugins"], out["ping"]), ({"plugins": {}}, "pong"))
        self.assertEqual(out["socket"], os.path.join(self.folder, "reporter.sock"))
        arguments = self.arguments()
        self.assertEqual(arguments[:4], ["pyats", "serve", self.folder, "--owner"])
        self.assertEqual(arguments[5:], ["--supervise"])

    def test_the_environment_and_the_configuration_become_options(self):
        self.stub("yaml")
        self.run_job(OYEZ_BIN=program(self.folder), OYEZ_PYATS_STRICT="1", OYEZ_PYATS_JOB="uid")
        self.assertEqual(self.arguments()[5:], ["--supervise", "--strict", "--format", "yaml", "--job", "uid"])

    def test_off_leaves_pyats_as_it_is(self):
        out, err = self.run_job(OYEZ_BIN=program(self.folder), OYEZ_PYATS="off")
        self.assertEqual((out["client"], out["server"], err), ("pyats.reporter", "pyats.reporter", ""))

    def test_a_killed_server_goes_unnoticed_also_in_forked_children(self):
        body = """
    client.start_testsuite(id='j')
    client.die()
    import multiprocessing
    child = multiprocessing.get_context('fork').Process(target=lambda: client.start_task(id='t'))
    child.start(); child.join()
    out['child'] = child.exitcode
    client.stop_testsuite()
"""
        out, err = self.run_job(body, OYEZ_BIN=program(self.folder))
        self.assertEqual((out["child"], err), (0, ""))
        kept = list(read_kept(self.folder))
        numbered = [call[1:3] for call in kept if call[1] is not None]
        self.assertEqual(numbered, [(1, "start_testsuite"), (2, "die"), (1, "start_task"), (3, "stop_testsuite"),
                                    (1, "stop_server")])
        self.assertEqual([call[3]["resume"] for call in kept if call[2] == "register_client"],
                         [False, True, False, False])


class FallingBack(PluginCase):
    def fall_back(self, **environment):
        out, err = self.run_job(**environment)
        self.assertEqual((out["client"], out["server"], out["socket"]),
                         ("pyats.reporter", "pyats.reporter", "the socket of pyATS"))
        self.assertEqual(err.count("WARNING"), 1, err)
        self.assertEqual(len(err.splitlines()), 1, err)
        return err

    def test_without_the_program_there_is_one_warning_and_pyats_own_server(self):
        self.assertIn("/no/such/oyez", self.fall_back(OYEZ_BIN="/no/such/oyez"))

    def test_with_a_program_that_fails_its_reason_is_in_the_warning(self):
        path = os.path.join(self.folder, "bad")
        with open(path, "w") as file:
            file.write("#!/bin/sh\necho 'no space left' >&2\nexit 3\n")
        os.chmod(path, 0o755)
        self.assertIn("no space left", self.fall_back(OYEZ_BIN=path))

    def test_with_a_pyats_that_is_built_in_another_way_there_is_one_warning(self):
        reporter = STUBS["pyats/reporter/__init__.py"].replace("_conn", "_link")
        self.stub("json", **{"pyats/reporter/__init__.py": reporter})
        self.assertIn("version of pyATS", self.fall_back(OYEZ_BIN=program(self.folder)))
