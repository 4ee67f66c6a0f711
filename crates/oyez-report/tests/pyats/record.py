#!/usr/bin/env python3
"""record.py [random SEED COUNT] > values.json

Writes what pyATS's own report server makes of values in extras: each value as a pickle, `results.yaml` with all of them,
and for each its JSON, where there is one. Needs `pip install pyats`. Times are replaced by fixed ones.
With `random` it makes up texts and nested values instead, to compare more than a repository wants to keep."""
import collections
import datetime
import decimal
import fractions
import json
import os
import pathlib
import pickle
import random
import re
import sys
import tempfile
import types
import uuid

from pyats.configuration import configuration
from pyats.datastructures import AttrDict
from pyats.reporter import ReportClient, ReportServer
from pyats.results import Failed, Passed
from pyats.results.context import TestableId
from pyats.results.counter import ResultCounter

# Some class that nobody knows, in a module of its own.
lab = sys.modules['lab'] = types.ModuleType('lab')


class Port:
    def __init__(self, number):
        self.number = number

    def __reduce__(self):
        return Port, (self.number,)

    def __repr__(self):
        return 'Port(%r)' % self.number


Port.__module__, lab.Port = 'lab', Port

WORDS = 'the quick brown fox jumps over the lazy dog and runs away '
UTC = datetime.timezone.utc


def chosen():
    texts = ['', 'a', 'a b', 'yes', 'No', 'on', 'y', 'null', '~', 'Null', 'true', 'TRUE', '1', '-1', '+1', '0x1f', '017', '08', '1_000', '1.5',
             '1e5', '1.5e+3', '.5', '.inf', '.nan', '1:30', '1:60', '190:20:30.15', '2026-01-02', '2026-1-2', '2026-01-02 03:04:05',
             '2026-01-02T03:04:05Z', '26.9', '26.9.1', '=', '<<', '-', '--', '---', '--- a', '...', '?', '? a', ':', ':a', 'a:', 'a: b', 'a:b',
             '#', '# a', 'a #b', 'a#b', ' a', 'a ', ' ', '  ', '\t', 'a\tb', "it's", '"', "'", '\'"', '\\', '[a]', '{a: b}', 'a, b', '&a', '*a', '!a',
             '%a', '@a', '`a', '|', '>', '> a', 'é', 'naïve café', '😀', 'a\u2028b', 'a\x85b', '\ufeff', '\xa0', '\x00', '\x1b[31mred\x1b[0m', '\x7f', '\ud800', 'a\ud83d',
             '\U0010ffff', '\ufffe', 'a\rb', 'a\r\nb', 'a\nb', 'a\nb\n', 'a\nb\n\n', '\n', '\n\n', '\na', ' a\nb', 'a \nb', 'a\t\nb\x0b\nc', 'a\n b\n  c',
             '  \n', 'a\n\nb', 'x: y\n# z', 'é\nb', 'a\tb\nc', 'a\x1bb\nc', 'a\n---\nb', WORDS * 4, WORDS * 4 + '\n' + WORDS * 4, 'x' * 200,
             "it's " + WORDS * 4, WORDS * 2 + '  two  spaces  ' + WORDS * 2, ': ' + WORDS * 4, 'é ' + WORDS * 4, 'é' * 100, ('é' * 11 + ' ') * 8,
             '\x1b[0m' * 30, ' ' * 100, 'a' + ' ' * 100 + 'b', '"' * 90, 'a"b ' * 40, 'é' + '  ' * 60 + 'x', '/a/very/long/path/' * 10 + ' and more ' + WORDS]
    out = [('text_%d' % i, text) for i, text in enumerate(texts)]
    out += [('key_%d' % i, {text: i}) for i, text in enumerate(texts)]
    when = datetime.datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=UTC)
    out += dict(
        numbers=[0, -1, 2**63, -2**63 - 1, 10**30, -10**40, True, False, None],
        floats=[1.0, 0.1, 1.005, 1.015, 2.675, 1e15, 1e16, 1.5e16, 123456789.987654321, 1e-5, -0.0, 0.005, 0.015, 5e-324, 1e22, 1e300, -0.001, 33.333],
        infinite=[float('inf'), float('-inf'), float('nan')],
        bytes=b'abc', all_bytes=bytes(range(256)), no_bytes=b'', bytearray=bytearray(b'a\x00'),
        set={3, 1, 2}, no_set=set(), set_of_texts={'b', 'a'}, sets=[{1}, {'a'}], frozenset=frozenset([1]),
        tuple=(1, 'a', (2,), ()), date=datetime.date(2026, 1, 2), datetime=datetime.datetime(2026, 1, 2, 3, 4, 5), when=when,
        west=datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone(datetime.timedelta(hours=-5, minutes=-30))),
        odd_zone=datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone(datetime.timedelta(hours=1, seconds=7))),
        time=datetime.time(1, 2), times=[datetime.time(1, 2, 3), datetime.time(1, 2, 0, 4)], timedelta=datetime.timedelta(1, 2), no_time=datetime.timedelta(0),
        type=int, types=[datetime.datetime, AttrDict, Port], attrdict=AttrDict(b=1, a=AttrDict(z=1, y=[AttrDict(x={})])), no_attrdict=AttrDict(),
        unknown=Port(3), decimal=decimal.Decimal('1.50'), uuid=uuid.UUID(int=5), path=pathlib.PurePosixPath('/a/b'), fraction=fractions.Fraction(1, 3),
        complex=[1 + 2j, 2j, -1.5 - 0.5j], range=[range(3), range(1, 9, 2)], deque=collections.deque([1, 2], 5), ordered=collections.OrderedDict([('b', 1), ('a', 2)]),
        counter=collections.Counter('aab'), default=collections.defaultdict(None, a=[1]), ellipsis=..., testable=TestableId('T.a'),
        error=ValueError('x'), errors=[KeyError('a', 1), OSError(2, 'No such file')], results=[Passed, Failed.clone('why', {'x': 1}), Failed.clone('a\nb'), Failed.clone('', [])],
        counts=ResultCounter({'passed': 1}), lists=[1, [2, [3, []]], {'x': {}}, [{'b': 1, 'a': [{}]}], [[1, 2], [3]]],
        maps={'b': {'d': {'f': None}, 'c': []}, 'a': 1}, null_key={None: 1}, bool_keys={True: 1, False: 2}, int_keys={1: 2, 10: 3, 9: 1}, float_keys={1.5: 2, 1e16: 3, float('inf'): 4},
        mixed_keys={'b': 1, 1: 2}, tuple_keys={(2, 1): 1, (1,): 2, (): 3}, date_keys={datetime.date(2026, 2, 1): 1, datetime.date(2026, 1, 1): 2},
        bytes_key={b'x': 1}, line_key={'a\nb': 1}, long_keys={'x' * 130: 1, 'y' * 122: 2, 'z' * 123: 3, 'é' * 122: 4}, object_key={frozenset([1]): 1}, when_key={when: 1},
        deep=[[[[[[[[{'a': [[{'b': 1}]]}]]]]]]]], nested_texts=[{'a': WORDS * 3, 'b': ['x\ny', {'c': WORDS * 3 + '\n x'}]}],
    ).items()
    return out


def made_up(seed, count):
    pick = random.Random(seed)
    letters = ['a', 'b', ' ', '  ', ':', '#', '-', '?', "'", '"', ',', '[', '{', '!', '&', '*', '|', '>', '%', '@', '\\', '0', '1', '.', '_', 'e', '+', 'é', '\t', '\x1b', '😀', 'word ', '\x7f']

    def text():
        kind = pick.random()
        many = pick.choice([1, 2, 3, 5, 8, 20, 60, 120])
        some = letters if kind < .5 else ['a', ' ', 'word ', "'", ': '] if kind < .7 else list('0123456789-:.+_eTZ xbnul ') if kind < .85 else ['a', ' ', '\n', 'é', '\t', 'word ']
        return ''.join(pick.choice(some) for _ in range(many))

    def value(depth=0):
        kind = pick.random()
        if depth > 4 or kind < .5:
            return text()
        if kind < .6:
            return pick.choice([None, True, pick.randint(-10**20, 10**20), pick.uniform(-10, 10) * 10**pick.randint(-8, 20), text().encode('utf-8'), ()])
        if kind < .75:
            return [value(depth + 1) for _ in range(pick.randint(0, 3))]
        return {text() if pick.random() < .9 else pick.choice([1, None, 2.5]): value(depth + 1) for _ in range(pick.randint(0, 3))}

    return [('v%d' % i, value()) for i in range(count)]


def record(values):
    folder = tempfile.mkdtemp()
    configuration.setdefault('report', {})['format'] = 'yaml'
    server = ReportServer(folder)
    server.start_server()
    client = ReportClient(server._socketpath)
    client.connect()
    client.start_testsuite(id='J', name='job')
    client.start_task(id='T', name='task')
    client.start_section(id='s', type='Testcase')
    client.add_extra(**dict(values))
    client.stop_section(result=Passed)
    client.stop_task()
    client.stop_testsuite()
    client.generate_report()
    with open(os.path.join(folder, 'results.yaml'), encoding='utf-8', newline='') as file:
        text = file.read()
    client.close()
    server.stop_server()
    text = re.sub(r'(?m)^( *(?:start|stop)time: )2.*$', r'\g<1>2026-11-20 10:00:00+00:00', text)
    return re.sub(r'(?m)^( *runtime: )\d.*$', r'\g<1>0.0', text)


def as_json(value):
    from pyats.reporter.testsuite import JSONDumper
    try:
        return json.dumps(value, cls=JSONDumper)
    except TypeError:
        return None


def main():
    values = made_up(int(sys.argv[2]), int(sys.argv[3])) if sys.argv[1:2] == ['random'] else chosen()
    cases = [{'id': name, 'pickle': pickle.dumps(value, 4).hex(), 'json': as_json(value)} for name, value in values]
    json.dump({'yaml': record(values), 'cases': cases}, sys.stdout, indent=0)
    print()


main()
