import collections
import datetime
import decimal
import os
import pickle
import pickletools
import unittest
import uuid

from oyez.reporter import (
    Failed,
    Opaque,
    Passed,
    ResultCounter,
    Skipped,
    TestableId,
    TestResult,
    errors,
    opaque,
    pickles,
)


class Runs:
    """What an attacker sends: an object whose unpickling runs a command."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


class Plain:
    def __init__(self):
        self.colour = "red"


def by_name(module, name, *stack):
    """A pickle (protocol 0, written by hand) that calls a global with the arguments."""
    return b"c" + module + b"\n" + name + b"\n" + b"(" + b"".join(stack) + b"tR."


class Reading(unittest.TestCase):
    def test_a_pickle_that_would_run_something_becomes_an_opaque_object_and_nothing_runs(self):
        path = "/tmp/oyez-must-not-be-made-%d" % os.getpid()
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            value = pickles.loads(pickle.dumps({"x": Runs(path)}, protocol))["x"]
            self.assertIsInstance(value, Opaque)
            self.assertEqual((value.name, value.args), ("mkdir", (path,)))
            self.assertFalse(os.path.exists(path))

    def test_dangerous_globals_in_any_spelling_are_inert(self):
        for module, name in [(b"os", b"system"), (b"builtins", b"eval"), (b"__builtin__", b"exec"),
                             (b"builtins", b"getattr"), (b"builtins", b"__import__"), (b"subprocess", b"Popen"),
                             (b"builtins", b"SystemExit"), (b"oyez.reporter.pickles", b"loads")]:
            value = pickles.loads(by_name(module, name, b"V1\n"))
            self.assertIsInstance(value, Opaque, name)

    def test_an_unknown_class_keeps_its_arguments_and_its_state(self):
        value = pickles.loads(pickle.dumps(Plain()))
        self.assertEqual(value.name, "Plain")
        self.assertEqual(value.state, {"colour": "red"})
        with self.assertRaises(AttributeError):
            value.state = 1

    def test_unknown_lists_and_mappings_keep_their_items(self):
        value = pickles.loads(pickle.dumps(collections.deque([1, 2])))
        self.assertEqual(value.items, [1, 2])
        value = pickles.loads(pickle.dumps(collections.Counter("ab")))
        self.assertEqual(value.args, ({"a": 1, "b": 1},))

    def test_a_pickle_cannot_change_a_class_of_ours(self):
        # push the class itself, then BUILD it with slot state: (None, {"value": "x"})
        for module, name in [(b"pyats.results.result", b"TestResult"), (b"uuid", b"UUID"),
                             (b"pyats.reporter.exceptions", b"DuplicateIDError"), (b"builtins", b"bytearray"),
                             (b"_codecs", b"encode"), (b"pyats.reporter.testsuite", b"Task")]:
            attack = b"c" + module + b"\n" + name + b"\n(N}Vowned\nVyes\nstb."
            with self.assertRaises(errors.MessageReceiveError):
                pickles.loads(attack)
        self.assertFalse(hasattr(TestResult, "owned") or hasattr(uuid.UUID, "owned"))

    def test_a_bytearray_cannot_reserve_memory(self):
        with self.assertRaises(errors.MessageReceiveError):
            pickles.loads(by_name(b"builtins", b"bytearray", b"I4000000000\n"))

    def test_the_values_of_the_list_come_back_as_themselves(self):
        values = [
            datetime.datetime(2026, 1, 2, 3, 4, 5, 6, datetime.timezone(datetime.timedelta(hours=1), "CET")),
            datetime.date(2026, 1, 2), datetime.time(1, 2), datetime.timedelta(3), decimal.Decimal("1.50"),
            uuid.UUID(int=7), collections.OrderedDict([("b", 1), ("a", 2)]), {1, 2}, frozenset("x"), bytearray(b"xy"),
            b"\xff\x00", 1 << 200, -1.5, None, True, "\ud800", ("a", ["b"]),
        ]
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
            read = pickles.loads(pickle.dumps(values, protocol))
            self.assertEqual(read, values)
            self.assertEqual([isinstance(a, type(b)) for a, b in zip(read, values)], [True] * len(values))

    def test_exceptions_come_back_as_exceptions(self):
        for kind in (KeyError, AttributeError, TypeError, TimeoutError):
            read = pickles.loads(pickle.dumps({"exception": kind("why")}, 4))["exception"]
            self.assertIs(type(read), kind)
            self.assertEqual(read.args, ("why",))
        for name, kind in errors.BY_NAME.items():
            read = pickles.loads(by_name(b"pyats.reporter.exceptions", name.encode(), b"Vwhy\n"))
            self.assertIs(type(read), kind)

    def test_contexts_come_back_as_read_only_objects_with_their_parents(self):
        data = (b"\x80\x02cpyats.reporter.testsuite\nSection\n)\x81}(X\x02\x00\x00\x00idX\x01\x00\x00\x00s"
                b"X\x07\x00\x00\x00_parentcpyats.reporter.testsuite\nTask\n)\x81}X\x02\x00\x00\x00idX\x01\x00\x00\x00Tsbub.")
        section = pickles.loads(data)
        self.assertIsInstance(section, opaque.Section)
        self.assertEqual((section.kind, section.id, section.fullid), ("Section", "s", "T.s"))
        with self.assertRaises(AttributeError):
            section.id = "other"

    def test_what_is_no_pickle_is_a_message_receive_error(self):
        for data in (b"", b"\x80", b"garbage", b"\x80\x04.", b"\x80\x7f.", b"P1\n.", pickle.dumps("abc")[:-3]):
            with self.assertRaises(errors.MessageReceiveError):
                pickles.loads(data)

    def test_what_follows_the_end_of_a_pickle_is_ignored(self):
        self.assertEqual(pickles.loads(pickle.dumps([1]) + b"more"), [1])


class Writing(unittest.TestCase):
    def test_a_result_goes_out_under_the_name_of_pyats(self):
        data = pickles.dumps({"result": Failed.clone("no route", {"hops": 3})})
        names = [arg for op, arg, _ in pickletools.genops(data) if op.name == "SHORT_BINUNICODE"]
        self.assertIn("pyats.results.result", names)
        self.assertIn("TestResult", names)
        self.assertNotIn(b"oyez", data)
        self.assertEqual(data[:2], b"\x80\x04")
        read = pickles.loads(data)["result"]
        self.assertEqual(vars(read), {"code": 0, "value": "failed", "tims": "failed", "reason": "no route",
                                      "data": {"hops": 3}})

    def test_counters_ids_and_exceptions_too(self):
        data = pickles.dumps([ResultCounter({"passed": 3, "failed": 1}), TestableId("a.b"),
                              errors.InvalidRequestError("no"), errors.InvalidRequestError])
        self.assertNotIn(b"oyez", data)
        counter, identity, error, kind = pickles.loads(data)
        self.assertEqual((counter["passed"], counter.total, counter.success_rate), (3, 4, 75.0))
        self.assertEqual((identity, identity.full), ("a.b", "a.b"))
        self.assertEqual(error.args, ("no",))
        self.assertIs(kind, errors.InvalidRequestError)

    def test_any_other_value_is_written_as_pickle_writes_it(self):
        value = {"name": "ping", "data": {"x": [1, {2}, datetime.date(2026, 1, 1)]}}
        self.assertEqual(pickles.dumps(value), pickle.dumps(value, 4))


class Results(unittest.TestCase):
    def test_results_roll_up_to_the_worse_one(self):
        order = ["skipped", "passed", "passx", "blocked", "failed", "errored", "aborted"]
        for i, better in enumerate(order):
            for worse in order[i:]:
                a, b = TestResult.from_str(better), TestResult.from_str(worse)
                self.assertEqual((a + b, b + a), (b, b))
        with self.assertRaises(TypeError):
            Failed + None

    def test_a_result_is_equal_by_code_and_true_when_good(self):
        self.assertEqual(Failed, Failed.clone("why", 1))
        self.assertNotEqual(Failed, Passed)
        self.assertTrue(Passed)
        self.assertFalse(Skipped)
        with self.assertRaises(AttributeError):
            Passed.reason = "x"
        with self.assertRaises(KeyError):
            TestResult.from_str("nonsense")

    def test_a_counter_of_nothing_has_a_rate_of_zero(self):
        self.assertEqual(ResultCounter().success_rate, 0.0)
        self.assertEqual(ResultCounter({"passed": 16, "failed": 13}).success_rate, 55.17)
