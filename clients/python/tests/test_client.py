import asyncio
import multiprocessing
import os
import signal
import threading
import time
import unittest
import warnings
from unittest import mock

from oyez.reporter import (
    ConnectionBrokenError,
    ConnectionClosedError,
    DuplicateIDError,
    ExistingClientError,
    InvalidRequestError,
    ReportClient,
    UnhandledContextError,
    UnregisteredClientError,
)
from tests.fake_server import FakeServer, short_folder


class ClientCase(unittest.TestCase):
    def setUp(self):
        environment = mock.patch.dict(os.environ, {"OYEZ_RECONNECT_SECONDS": "20"})
        environment.start()
        self.addCleanup(environment.stop)

    def server(self, **options):
        server = FakeServer(short_folder(self), **options)
        self.addCleanup(server.stop)
        return server

    def client(self, server):
        client = ReportClient(server.path)
        client.connect(timeout=20)
        self.addCleanup(client.close)
        return client

    def done(self, server):
        """The calls that were done, without those of the handshake."""
        return [call for call in server.calls if call[1] is not None]


class Calls(ClientCase):
    def test_connecting_pings_and_registers_with_a_token(self):
        server = self.server()
        self.client(server)
        self.assertEqual(server.names(), ["ping", "register_client"])
        data = server.registrations[0]
        self.assertEqual((data["pid"], data["ppid"], data["resume"]), (str(os.getpid()), str(os.getppid()), False))
        self.assertRegex(data["token"], "^[0-9a-f]{32}$")

    def test_calls_are_numbered_from_one_and_carry_only_what_was_given(self):
        server = self.server()
        client = self.client(server)
        client.start_section(id="a", description="d", colour="red")
        client.add_extra(name="n", data=[1])
        client.anything_else(x=1)
        self.assertEqual([call[1:] for call in self.done(server)], [
            (1, "start_section", {"id": "a", "description": "d", "colour": "red"}),
            (2, "add_extra", {"name": "n", "data": [1]}),
            (3, "anything_else", {"x": 1}),
        ])

    def test_arguments_have_to_be_named(self):
        client = self.client(self.server())
        with self.assertRaises(TypeError):
            client.add_detail("text")
        with self.assertRaises(TypeError):
            client.anything_else("text")
        with self.assertRaises(AttributeError):
            client._private

    def test_a_given_ppid_is_registered(self):
        server = self.server()
        client = ReportClient(server.path, ppid=77)
        with client:
            self.assertEqual(server.registrations[0]["ppid"], "77")

    def test_the_exception_of_a_reply_is_raised_and_its_traceback_logged(self):
        server = self.server()
        server.answers["start_task"] = KeyError("Task must have an id.")
        with self.assertLogs("oyez.reporter.client", "ERROR") as logs, self.assertRaises(KeyError):
            self.client(server).start_task(id="x")
        self.assertIn("Exception from server:\nTraceback of start_task", logs.output[0])

    def test_an_exception_that_is_none_is_a_type_error(self):
        server = self.server()
        server.answers["ping"] = lambda data: {"exception": "text"} if data else "pong"
        with self.assertRaises(TypeError):
            self.client(server)._call("ping", {"x": 1})

    def test_a_context_of_an_unknown_kind_is_refused(self):
        server = self.server()
        server.answers["get_section_ctx"] = {"neither": "task nor section"}
        with self.assertRaises(UnhandledContextError):
            self.client(server).get_section_ctx()

    def test_connecting_to_nothing_ends_in_time_and_names_the_socket(self):
        with self.assertRaisesRegex(ConnectionError, "nowhere.sock"):
            ReportClient("/tmp/nowhere.sock").connect(timeout=0.05)

    def test_a_call_without_a_connection_is_a_broken_connection(self):
        with self.assertRaises(ConnectionBrokenError):
            ReportClient("/tmp/nowhere.sock").ping()

    def test_the_errors_have_the_bases_that_pyats_gives_them(self):
        for kind, base in [(ConnectionBrokenError, ConnectionError), (ConnectionClosedError, ConnectionError),
                           (DuplicateIDError, ValueError), (ExistingClientError, LookupError),
                           (InvalidRequestError, RuntimeError), (UnhandledContextError, TypeError),
                           (UnregisteredClientError, LookupError)]:
            self.assertEqual(kind.__bases__, (base,))


class Restarts(ClientCase):
    def test_a_call_that_was_not_done_is_sent_again_under_its_number(self):
        server = self.server()
        client = self.client(server)
        client.start_task(id="t")
        server.cut_before.add("start_section")
        client.start_section(id="s")
        client.stop_section()
        self.assertEqual([call[1:3] for call in self.done(server)],
                         [(1, "start_task"), (2, "start_section"), (3, "stop_section")])
        self.assertEqual([data["resume"] for data in server.registrations], [False, True])
        self.assertEqual(len({data["token"] for data in server.registrations}), 1)

    def test_a_call_that_was_done_gets_the_reply_it_missed_and_is_not_done_twice(self):
        server = self.server()
        replies = iter(["first", "second"])
        server.answers["get_testsuite"] = lambda data: next(replies)
        client = self.client(server)
        server.cut_after.add("get_testsuite")
        self.assertEqual(client.get_testsuite(), "first")
        self.assertEqual(len(self.done(server)), 1)

    def test_an_error_is_repeated_too(self):
        server = self.server()
        client = self.client(server)
        server.answers["start_section"] = ValueError("again")
        server.cut_after.add("start_section")
        with self.assertLogs("oyez.reporter.client"), self.assertRaisesRegex(ValueError, "again"):
            client.start_section(id="s")
        self.assertEqual(len(self.done(server)), 1)

    def test_a_server_that_is_away_for_a_while_is_waited_for(self):
        server = self.server()
        client = self.client(server)
        server.stop()
        answers = []
        caller = threading.Thread(target=lambda: answers.append(client.ping()))
        caller.start()
        server.start()
        caller.join(20)
        self.assertEqual(answers, ["pong"])

    def test_after_the_time_is_over_the_call_fails_and_later_ones_at_once(self):
        server = self.server()
        client = self.client(server)
        server.cut_after.add("get_section")
        with mock.patch.dict(os.environ, {"OYEZ_RECONNECT_SECONDS": "0.05"}):
            server.answers["get_section"] = lambda data: server.stop()
            with self.assertRaisesRegex(ConnectionClosedError, "^Connection closed$"):
                client.get_section()
        with self.assertRaisesRegex(ConnectionBrokenError, "^Connection unexpectedly closed when sending$"):
            client.ping()

    def test_a_server_that_was_stopped_on_purpose_is_not_waited_for(self):
        server = self.server()
        client = self.client(server)
        server.note(ended=True)
        server.stop()
        with self.assertRaises(ConnectionError):
            client.ping()
        with self.assertRaises(ConnectionBrokenError):
            client.ping()

    def test_stopping_a_server_that_ends_before_its_reply_has_worked(self):
        server = self.server()
        client = self.client(server)

        def end(data):
            server.note(ended=True)
            server.stop()

        server.answers["stop_server"] = end
        self.assertIsNone(client.stop_server())

    def test_a_server_without_a_journal_is_not_asked_twice(self):
        server = self.server(resumes=False)
        client = self.client(server)
        server.cut_after.add("start_section")
        with self.assertRaises(ConnectionClosedError):
            client.start_section(id="s")
        self.assertEqual(server.names().count("start_section"), 1)
        self.assertEqual(len(server.registrations), 1)

    def test_a_note_that_others_can_write_is_not_believed(self):
        server = self.server()
        client = self.client(server)
        os.chmod(os.path.join(server.folder, "oyez.json"), 0o666)
        server.cut_after.add("start_section")
        with self.assertRaises(ConnectionClosedError):
            client.start_section(id="s")


class Interrupts(ClientCase):
    def interrupt_during(self, server, name):
        """Have SIGALRM arrive in this process while the reply to that call is awaited; the reply comes afterwards."""
        go_on = threading.Event()
        self.addCleanup(go_on.set)

        def answer(data):
            os.kill(os.getpid(), signal.SIGALRM)
            go_on.wait(20)
            return "reply of " + name

        server.answers[name] = answer
        return go_on

    def handler(self, function):
        before = signal.signal(signal.SIGALRM, function)
        self.addCleanup(signal.signal, signal.SIGALRM, before)

    def test_a_call_that_was_interrupted_is_settled_before_the_next_one(self):
        server = self.server()
        client = self.client(server)
        go_on = self.interrupt_during(server, "slow")

        def interrupt(signum, frame):
            go_on.set()
            raise KeyboardInterrupt

        self.handler(interrupt)
        with self.assertRaises(KeyboardInterrupt):
            client.slow()
        server.wait_for(lambda s: "slow" in s.names())
        server.answers["next"] = "reply of next"
        self.assertEqual(client.next(), "reply of next")
        self.assertEqual([call[1:3] for call in self.done(server)], [(1, "slow"), (2, "next")])

    def test_a_signal_handler_may_make_calls_during_a_call(self):
        server = self.server()
        client = self.client(server)
        go_on = self.interrupt_during(server, "slow")
        got = []

        def call(signum, frame):
            go_on.set()
            server.wait_for(lambda s: "slow" in s.names())
            got.append(client.inner())

        server.answers["inner"] = "reply of inner"
        self.handler(call)
        self.assertEqual(client.slow(), "reply of slow")
        self.assertEqual(got, ["reply of inner"])
        server.answers["next"] = "reply of next"
        self.assertEqual(client.next(), "reply of next")
        self.assertEqual([call[1:3] for call in self.done(server)], [(1, "slow"), (2, "inner"), (3, "next")])

    def test_threads_get_each_their_own_replies(self):
        server = self.server()
        server.answers["echo"] = lambda data: data["x"]
        client = self.client(server)
        wrong = []

        def work(name):
            for i in range(50):
                if client.echo(x=(name, i)) != (name, i):
                    wrong.append((name, i))

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(wrong, [])
        self.assertEqual([call[1] for call in self.done(server)], list(range(1, 401)))


class Forks(ClientCase):
    def setUp(self):
        super().setUp()
        quiet = warnings.catch_warnings()
        quiet.__enter__()
        self.addCleanup(quiet.__exit__, None, None, None)
        # the threads that Python warns of are those of the server in this test
        warnings.simplefilter("ignore", DeprecationWarning)

    def in_child(self, work):
        """Run ``work`` in a child made by plain fork; True when it came to its end."""
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                work()
                status = 0
            finally:
                os._exit(status)
        return os.waitpid(pid, 0)[1] == 0

    def test_a_child_made_by_fork_has_its_own_connection_token_and_numbers(self):
        server = self.server()
        client = self.client(server)
        client.ping()
        self.assertTrue(self.in_child(lambda: client.start_section(id="child")))
        client.start_section(id="parent")
        parent, child = server.registrations
        self.assertNotEqual(parent["token"], child["token"])
        self.assertEqual((child["ppid"], child["resume"]), (str(os.getpid()), False))
        self.assertEqual([(call[0], call[1]) for call in self.done(server)],
                         [(parent["token"], 1), (child["token"], 1), (parent["token"], 2)])

    def test_a_grandchild_names_its_nearest_ancestor_that_has_registered(self):
        server = self.server()
        client = self.client(server)
        self.assertTrue(self.in_child(lambda: self.assertTrue(self.in_child(client.ping))))
        self.assertEqual(server.registrations[1]["ppid"], str(os.getpid()))

    def test_a_child_forked_while_a_thread_is_in_a_call_does_not_hang(self):
        server = self.server()
        client = self.client(server)
        inside, go_on = threading.Event(), threading.Event()

        def slow(data):
            inside.set()
            go_on.wait(20)

        server.answers["slow"] = slow
        caller = threading.Thread(target=client.slow)
        caller.start()
        self.assertTrue(inside.wait(20))
        self.assertTrue(self.in_child(client.ping))
        go_on.set()
        caller.join(20)
        self.assertFalse(caller.is_alive())

    def test_a_multiprocessing_child_registers_at_its_start_when_enabled(self):
        context = multiprocessing.get_context("fork")
        server = self.server()
        client = self.client(server)
        for enable, expected in ((client.enable_forked, 2), (client.disable_forked, 2)):
            enable()
            process = context.Process(target=os.getpid)
            process.start()
            process.join(20)
            self.assertEqual(process.exitcode, 0)
            self.assertEqual(len(server.registrations), expected)


class Subscriptions(ClientCase):
    def subscribe(self, server, wanted):
        """Subscribe in a thread; the list fills with events until ``wanted`` have come, or the server ends."""
        events, client = [], ReportClient(server.path)

        async def callback(event):
            events.append(event)
            with server.happened:
                server.happened.notify_all()
            if len(events) == wanted:
                raise StopAsyncIteration

        def run():
            try:
                asyncio.run(client.subscribe(callback))
            except (StopAsyncIteration, RuntimeError):
                pass

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        server.wait_for(lambda s: len(s.subscribers) == 1)
        return client, events, thread

    def test_events_arrive_in_order_until_the_server_ends(self):
        server = self.server()
        client, events, thread = self.subscribe(server, -1)
        for i in range(3):
            server.push({"event": "start_section", "seq_num": i})
        server.wait_for(lambda s: len(events) == 3)
        # The reply to the subscription may come after the first events.
        until = time.monotonic() + 20
        while not client.subscribed and time.monotonic() < until:
            time.sleep(0.005)
        self.assertTrue(client.subscribed)
        server.note(ended=True)
        server.stop()
        thread.join(20)
        self.assertFalse(thread.is_alive() or client.subscribed)
        self.assertEqual([event["seq_num"] for event in events], [0, 1, 2])

    def test_it_goes_on_after_a_restart(self):
        server = self.server()
        _, events, thread = self.subscribe(server, 2)
        server.push({"event": "one"})
        server.wait_for(lambda s: len(events) == 1)
        server.stop()
        server.subscribers.clear()
        server.start()
        server.wait_for(lambda s: len(s.subscribers) == 1)
        server.push({"event": "two"})
        thread.join(20)
        self.assertEqual([event["event"] for event in events], ["one", "two"])

    def test_without_a_server_it_fails_at_once(self):
        async def callback(event):
            pass

        with self.assertRaises(OSError):
            asyncio.run(ReportClient("/tmp/nowhere.sock").subscribe(callback))
