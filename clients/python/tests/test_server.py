import json
import os
import signal
import subprocess
import sys
import threading
import unittest
from unittest import mock

from oyez.reporter import ReportClient, ReportServer, ServerNotStartedError, SignalError, runfolder, signal_catcher
from tests.fake_server import program, read_kept, short_folder

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class ServerCase(unittest.TestCase):
    def setUp(self):
        self.folder = short_folder(self)
        environment = mock.patch.dict(os.environ, {"OYEZ_RECONNECT_SECONDS": "20"})
        environment.start()
        self.addCleanup(environment.stop)
        os.environ["OYEZ_BIN"] = program(self.folder)

    def write_program(self, text):
        with open(os.environ["OYEZ_BIN"], "w") as file:
            file.write(text)

    def starts(self):
        with open(os.path.join(self.folder, "starts")) as file:
            return [json.loads(line) for line in file]

    def pid(self):
        return runfolder.read_note(self.folder).pid


class Starting(ServerCase):
    def test_it_answers_when_start_server_returns_and_is_gone_when_stop_server_returns(self):
        server = ReportServer(self.folder)
        server.start_server(timeout=20)
        with ReportClient(server._socketpath) as client:
            self.assertEqual(client.ping(), "pong")
        pid = self.pid()
        server.stop_server(timeout=20)
        with self.assertRaises(ProcessLookupError):
            os.kill(pid, 0)
        self.assertTrue(runfolder.read_note(self.folder).ended)

    def test_it_is_a_context_manager_and_its_options_are_on_the_command_line(self):
        options = dict(supervise=True, owner=7, strict=True, job="j", report_format="yaml")
        with ReportServer(self.folder, **options) as server:
            self.assertEqual(server._socketpath, os.path.join(self.folder, "reporter.sock"))
        self.assertEqual(self.starts()[0][1:], [
            "pyats", "serve", self.folder, "--owner", "7", "--supervise", "--strict", "--format", "yaml", "--job", "j"])

    def test_a_missing_program_is_named(self):
        with mock.patch.dict(os.environ, {"OYEZ_BIN": "/no/such/oyez"}):
            with self.assertRaisesRegex(ServerNotStartedError, "/no/such/oyez"):
                ReportServer(self.folder).start_server()
        with mock.patch.dict(os.environ, {"OYEZ_BIN": "", "PATH": "/nowhere"}):
            with self.assertRaisesRegex(ServerNotStartedError, "not on the PATH"):
                ReportServer(self.folder).start_server()

    def test_a_program_that_ends_is_reported_with_its_last_words(self):
        self.write_program("#!/bin/sh\necho first >&2\necho 'oyez: the store is newer' >&2\nexit 3\n")
        with self.assertRaisesRegex(ServerNotStartedError, "status 3: oyez: the store is newer"):
            ReportServer(self.folder).start_server(timeout=20)

    def test_a_program_that_never_answers_is_killed_with_all_that_it_started(self):
        fifo = os.path.join(self.folder, "alive")
        os.mkfifo(fifo)
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        self.write_program("#!/bin/sh\nexec 3>%s\nsleep 600 & echo up >&3; wait\n" % fifo)
        with self.assertRaisesRegex(ServerNotStartedError, "did not answer within 1 s"):
            ReportServer(self.folder).start_server(timeout=1)
        os.set_blocking(reader, True)
        self.assertEqual(os.read(reader, 10), b"up\n")
        self.assertEqual(os.read(reader, 10), b"")  # the end comes when the last of them is dead

    def test_stopping_what_was_never_started_is_no_error(self):
        ReportServer(self.folder).stop_server()

    def test_a_server_in_the_foreground_is_stopped_by_a_signal(self):
        with self.assertRaisesRegex(SignalError, "15"):
            signal_catcher(signal.SIGTERM, None)
        script = """
import sys
from oyez.reporter import ReportServer, SignalError
class Saying(ReportServer):
    def start_server(self, timeout=20):
        super().start_server(timeout)
        print("started", flush=True)
try:
    Saying(sys.argv[1]).run()
except SignalError:
    sys.exit(7)
"""
        process = subprocess.Popen([sys.executable, "-c", script, self.folder], cwd=HERE, stdout=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), b"started\n")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(20), 7)
        self.assertTrue(runfolder.read_note(self.folder).ended)


class Restarting(ServerCase):
    def start(self):
        server = ReportServer(self.folder)
        server.start_server(timeout=20)
        self.addCleanup(server.stop_server, timeout=20)
        client = ReportClient(server._socketpath)
        client.connect(timeout=20)
        self.addCleanup(client.close)
        return server, client

    def kept(self):
        return [call[1:3] for call in read_kept(self.folder) if call[1] is not None]

    def test_a_killed_server_is_started_again_and_each_call_is_done_once(self):
        _, client = self.start()
        client.start_testsuite(id="j")
        os.kill(self.pid(), signal.SIGKILL)
        client.start_task(id="t")
        client.stop_task()
        self.assertEqual(self.kept(), [(1, "start_testsuite"), (2, "start_task"), (3, "stop_task")])
        starts = self.starts()
        self.assertEqual(len(starts), 2)
        self.assertEqual(starts[0], starts[1])

    def test_a_server_that_dies_of_a_call_gets_it_again_from_several_clients_at_once(self):
        server, _ = self.start()
        others = [ReportClient(server._socketpath) for _ in range(4)]
        for other in others:
            other.connect(timeout=20)
            self.addCleanup(other.close)
        os.kill(self.pid(), signal.SIGKILL)
        threads = [threading.Thread(target=other.start_section, kwargs={"id": str(n)})
                   for n, other in enumerate(others)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        self.assertEqual(self.kept(), [(1, "start_section")] * 4)
        self.assertEqual(len(self.starts()), 2)

    def test_stopping_a_server_that_was_killed_brings_it_to_its_end(self):
        server, client = self.start()
        os.kill(self.pid(), signal.SIGKILL)
        server.stop_server(timeout=20)
        self.assertTrue(runfolder.read_note(self.folder).ended)
        with self.assertRaises(ConnectionError):
            client.ping()
        self.assertEqual(len(self.starts()), 2)

    def test_after_stop_server_nothing_is_started_again(self):
        server, client = self.start()
        server.stop_server(timeout=20)
        with self.assertRaises(ConnectionError):
            client.ping()
        with self.assertRaises(ConnectionError):
            ReportClient(server._socketpath).connect(timeout=20)
        self.assertEqual(len(self.starts()), 1)

    def test_two_starts_are_seconds_apart(self):
        note = runfolder.Note({"serve": ["oyez", "pyats", "serve", self.folder]})
        with mock.patch.object(runfolder, "spawn") as spawn:
            restarter = runfolder.Restarter()
            restarter.consider(self.folder, note, missing_for=0.01)
            self.assertEqual(spawn.call_count, 0)
            for _ in range(100):
                restarter.consider(self.folder, note, missing_for=5)
        self.assertEqual(spawn.call_count, 1)
        self.assertEqual(spawn.call_args[0][0][1:], ["pyats", "serve", self.folder])

    def test_only_a_report_server_is_started(self):
        with mock.patch.object(runfolder, "spawn") as spawn:
            runfolder.Restarter().consider(
                self.folder, runfolder.Note({"serve": ["rm", "-rf", "x"]}), missing_for=5)
        self.assertEqual(spawn.call_count, 0)
