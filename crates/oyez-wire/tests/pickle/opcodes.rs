//! What each opcode says.

use oyez_model::Value;
use oyez_model::value::{BigInt, DateTime, Opaque, OpaqueForm};
use oyez_wire::pyats::pickle::{Limits, read};

fn is(pickle: &[u8], expected: impl Into<Value>) {
    assert_eq!(read(pickle, &Limits::default()), Ok(expected.into()), "{}", pickle.escape_ascii());
}

fn opaque(o: Opaque) -> Value {
    Value::Opaque(Box::new(o))
}

fn call(module: &str, name: &str, args: Vec<Value>) -> Opaque {
    Opaque::call(module, name, args)
}

fn new(module: &str, name: &str, args: Vec<Value>) -> Opaque {
    Opaque { form: OpaqueForm::New, ..call(module, name, args) }
}

fn placeholder(name: &str, args: Vec<Value>) -> Value {
    opaque(Opaque { form: OpaqueForm::Placeholder, ..call("oyez", name, args) })
}

#[test]
fn numbers() {
    is(b"N.", Value::Null);
    is(b"\x88.", true);
    is(b"\x89.", false);
    is(b"I01\n.", true);
    is(b"I00\n.", false);
    is(b"I1\n.", 1);
    is(b"I-42\n.", -42);
    is(b"L5L\n.", 5);
    is(b"L-5\n.", -5);
    is(b"K\xff.", 255);
    is(b"M\x01\x02.", 513);
    is(b"J\xfe\xff\xff\xff.", -2);
    is(b"\x8a\0.", 0);
    is(b"\x8a\x01\x80.", -128);
    is(b"\x8b\x02\0\0\0\0\x80.", -32_768);
    let big = |negative, magnitude: &[u8]| Value::Big(BigInt { negative, magnitude: magnitude.to_vec() });
    is(b"\x8a\x09\0\0\0\0\0\0\0\x80\0.", big(false, &[0x80, 0, 0, 0, 0, 0, 0, 0]));
    is(b"I-18446744073709551616\n.", big(true, &[255; 8]));
    is(b"F-1.5e3\n.", -1500.0);
    is(b"Fnan\n.", f64::NAN);
    is(b"Finf\n.", f64::INFINITY);
    is(b"G\xbf\xf8\0\0\0\0\0\0.", -1.5);
}

#[test]
fn texts_and_bytes() {
    is(b"S'it\\'s \\x41\\n'\n.", "it's A\n");
    is(b"U\x03abc.", "abc");
    is(b"T\x03\0\0\0abc.", "abc");
    is(b"S'\\xff'\n.", Value::Bytes(vec![255]));
    is(b"U\x01\xff.", Value::Bytes(vec![255]));
    is(b"Vcaf\xe9 \\u20ac\\U0001f600\n.", "caf\u{e9} \u{20ac}\u{1f600}");
    is(b"V\\ud800\n.", Value::Surrogates(b"\xed\xa0\x80".to_vec()));
    is(b"X\x02\0\0\0\xc3\xa9.", "\u{e9}");
    is(b"\x8c\x02\xc3\xa9.", "\u{e9}");
    is(b"\x8d\x02\0\0\0\0\0\0\0\xc3\xa9.", "\u{e9}");
    is(b"\x8c\x03\xed\xa0\x80.", Value::Surrogates(b"\xed\xa0\x80".to_vec()));
    is(b"C\x02ab.", Value::Bytes(b"ab".to_vec()));
    is(b"B\x02\0\0\0ab.", Value::Bytes(b"ab".to_vec()));
    is(b"\x8e\x02\0\0\0\0\0\0\0ab.", Value::Bytes(b"ab".to_vec()));
    let bytearray = || opaque(call("builtins", "bytearray", vec![Value::Bytes(b"ab".to_vec())]));
    is(b"\x96\x02\0\0\0\0\0\0\0ab.", bytearray());
    is(b"c__builtin__\nbytearray\n(Vab\nVlatin-1\ntR.", bytearray());
    is(b"\x80\x03cbuiltins\nbytearray\nC\x02ab\x85R.", bytearray());
    is(b"c_codecs\nencode\n(V\xe9\nVlatin1\ntR.", Value::Bytes(vec![0xe9]));
    is(b"c__builtin__\nbytes\n)R.", Value::Bytes(vec![]));
}

#[test]
fn containers() {
    let n = |n: i64| Value::Int(n);
    is(b").", Value::Tuple(vec![]));
    is(b"K\x01\x85.", Value::Tuple(vec![n(1)]));
    is(b"K\x01K\x02\x86.", Value::Tuple(vec![n(1), n(2)]));
    is(b"K\x01K\x02K\x03\x87.", Value::Tuple(vec![n(1), n(2), n(3)]));
    is(b"(K\x01K\x02t.", Value::Tuple(vec![n(1), n(2)]));
    is(b"].", Value::List(vec![]));
    is(b"(K\x01l.", Value::List(vec![n(1)]));
    is(b"]K\x01a(K\x02K\x03e.", Value::List(vec![n(1), n(2), n(3)]));
    is(b"}.", Value::Map(vec![]));
    is(b"(K\x01K\x02d.", Value::Map(vec![(n(1), n(2))]));
    is(b"}K\x01K\x02s(K\x03K\x04u.", Value::Map(vec![(n(1), n(2)), (n(3), n(4))]));
    is(b"\x8f(K\x01K\x02\x90.", Value::Set(vec![n(1), n(2)]));
    is(b"c__builtin__\nset\n((lK\x01atR.", Value::Set(vec![n(1)]));
    let frozenset = |items| opaque(call("builtins", "frozenset", vec![Value::List(items)]));
    is(b"(K\x01\x91.", frozenset(vec![n(1)]));
    is(b"(\x91.", frozenset(vec![]));
    is(b"\x80\x03cbuiltins\nfrozenset\n]K\x01a\x85R.", frozenset(vec![n(1)]));
}

#[test]
fn a_container_is_what_it_became_wherever_it_was_named() {
    let list = || Value::List(vec![Value::Int(1), Value::Int(2)]);
    // In a tuple before it was filled, and from the memo after; filled in turns with another.
    is(b"]q\0\x85h\0K\x01a0]K\x07a0h\0K\x02a\x86.", Value::Tuple(vec![Value::Tuple(vec![list()]), list()]));
}

#[test]
fn the_stack_and_the_memo() {
    is(b"K\x01K\x020.", 1);
    is(b"K\x01(0.", 1);
    is(b"K\x01(K\x02K\x031.", 1);
    is(b"K\x012\x86.", Value::Tuple(vec![1.into(), 1.into()]));
    is(b"K\x01p0\n0g0\n.", 1);
    is(b"K\x01q\x050h\x05.", 1);
    is(b"K\x01r\0\0\x01\x000j\0\0\x01\0.", 1);
    is(b"\x80\x04\x95\x07\0\0\0\0\0\0\0K\x01\x940h\0.", 1);
    is(b"K\x01.whatever follows", 1);
}

#[test]
fn classes_and_what_they_make() {
    is(b"cm\nC\n.", opaque(Opaque::global("m", "C")));
    is(b"\x80\x04\x8c\x01m\x8c\x03C.D\x93.", opaque(Opaque::global("m", "C.D")));
    is(b"cm\nC\nK\x01\x85R.", opaque(call("m", "C", vec![1.into()])));
    is(b"cm\nC\nK\x01\x85\x81.", opaque(new("m", "C", vec![1.into()])));
    let named = Opaque { kwargs: vec![("k".into(), 2.into())], ..new("m", "C", vec![1.into()]) };
    is(b"cm\nC\nK\x01\x85}\x8c\x01kK\x02s\x92.", opaque(named.clone()));
    is(b"ccopyreg\n__newobj_ex__\n(cm\nC\nK\x01\x85}\x8c\x01kK\x02stR.", opaque(named));
    is(b"ccopyreg\n__newobj__\ncm\nC\nK\x01\x86R.", opaque(new("m", "C", vec![1.into()])));
    is(b"(im\nC\n.", opaque(new("m", "C", vec![])));
    is(b"(K\x01im\nC\n.", opaque(call("m", "C", vec![1.into()])));
    is(b"(cm\nC\no.", opaque(new("m", "C", vec![])));
    is(b"(cm\nC\nK\x01o.", opaque(call("m", "C", vec![1.into()])));
    is(b"ccopy_reg\n_reconstructor\n(cm\nC\nc__builtin__\nobject\nNtR.", opaque(new("m", "C", vec![])));
    let base = vec![opaque(Opaque::global("m", "C")), opaque(Opaque::global("builtins", "int")), 5.into()];
    is(
        b"ccopy_reg\n_reconstructor\n(cm\nC\nc__builtin__\nint\nK\x05tR.",
        opaque(call("copyreg", "_reconstructor", base)),
    );
}

#[test]
fn what_is_put_into_an_object_afterwards() {
    let made = call("m", "C", vec![]);
    let state = Value::Map(vec![("a".into(), 1.into())]);
    is(b"cm\nC\n)R}\x8c\x01aK\x01sb.", opaque(Opaque { state: Some(state), ..made.clone() }));
    is(b"cm\nC\n)RNb.", opaque(Opaque { state: Some(Value::Null), ..made.clone() }));
    is(b"cm\nC\n)RK\x01a(K\x02e.", opaque(Opaque { items: vec![1.into(), 2.into()], ..made.clone() }));
    is(
        b"cm\nC\n)RK\x01K\x02s(K\x03K\x04u.",
        opaque(Opaque { entries: vec![(1.into(), 2.into()), (3.into(), 4.into())], ..made.clone() }),
    );
    is(b"cm\nC\n)R(K\x01\x90.", opaque(Opaque { members: vec![1.into()], ..made }));
}

#[test]
fn what_is_called_may_be_an_object_itself() {
    let maker = opaque(call("m", "maker", vec![1.into()]));
    let form = OpaqueForm::CallObject;
    is(
        b"cm\nmaker\nK\x01\x85RK\x02\x85R.",
        opaque(Opaque { form, ..call("m", "maker", vec![maker.clone(), 2.into()]) }),
    );
    let form = OpaqueForm::NewObject;
    is(b"cm\nmaker\nK\x01\x85R)\x81.", opaque(Opaque { form, ..call("m", "maker", vec![maker]) }));
}

#[test]
fn an_attribute_of_a_class_is_a_name_with_dots() {
    let inner = b"c__builtin__\ngetattr\n(cm\nA\nVB\ntR";
    is(&[&inner[..], b"."].concat(), opaque(Opaque::global("m", "A.B")));
    is(&[&inner[..], b")\x81."].concat(), opaque(new("m", "A.B", vec![])));
    let args = vec![opaque(new("m", "A", vec![])), "B".into()];
    is(b"c__builtin__\ngetattr\n(cm\nA\n)\x81VB\ntR.", opaque(call("builtins", "getattr", args)));
}

#[test]
fn dates() {
    let civil = jiff::civil::date(2024, 1, 2).at(3, 4, 5, 6_000);
    let state = b"C\x0a\x07\xe8\x01\x02\x03\x04\x05\0\0\x06";
    let with = |head: &[u8], tail: &[u8]| [head, b"cdatetime\ndatetime\n", state, tail, b"."].concat();
    is(&with(b"", b"\x85R"), Value::DateTime(Box::new(DateTime { civil, offset: None, zone: None })));
    let zoned = |offset, zone: Option<&str>| {
        Value::DateTime(Box::new(DateTime { civil, offset: Some(offset), zone: zone.map(str::to_owned) }))
    };
    is(
        &with(b"", b"cdatetime\ntimezone\ncdatetime\ntimedelta\nK\0K\0K\0\x87R\x8c\x03UTC\x86R\x86R"),
        zoned(0, Some("UTC")),
    );
    is(
        &with(
            b"",
            b"cdatetime\ntimezone\ncdatetime\ntimedelta\nJ\xff\xff\xff\xffM\xff\xffK\0\x87R\x85R\x86R",
        ),
        zoned(65_535 - 86_400, None),
    );
    // In protocol 0 as a text that is encoded, from Python 2 as a text.
    let latin1 =
        "V\x07\u{e8}\x01\x02\x03\x04\x05\\u0000\\u0000\x06\n".chars().map(|c| c as u8).collect::<Vec<_>>();
    let old = [b"cdatetime\ndatetime\n(c_codecs\nencode\n(", &latin1[..], b"Vlatin1\ntRtR."].concat();
    is(&old, Value::DateTime(Box::new(DateTime { civil, offset: None, zone: None })));
    let older = [b"cdatetime\ndatetime\n(", &latin1[..], b"tR."].concat();
    is(&older, Value::DateTime(Box::new(DateTime { civil, offset: None, zone: None })));
}

#[test]
fn an_unusual_date_stays_an_object() {
    let is_opaque = |pickle: &[u8]| match read(pickle, &Limits::default()) {
        Ok(Value::Opaque(o)) => assert_eq!((o.module.as_str(), o.name.as_str()), ("datetime", "datetime")),
        other => panic!("{}: {other:?}", pickle.escape_ascii()),
    };
    let with =
        |state: &[u8; 10], tail: &[u8]| [b"cdatetime\ndatetime\nC\x0a", &state[..], tail, b"."].concat();
    let fine = b"\x07\xe8\x01\x02\x03\x04\x05\0\0\x06";
    is_opaque(&with(b"\x07\xe8\x81\x02\x03\x04\x05\0\0\x06", b"\x85R"));
    is_opaque(&with(b"\0\0\x01\x02\x03\x04\x05\0\0\x06", b"\x85R"));
    is_opaque(&with(b"\x07\xe8\x02\x1e\x03\x04\x05\0\0\x06", b"\x85R"));
    is_opaque(&with(b"\x07\xe8\x01\x02\x03\x04\x05\xff\xff\xff", b"\x85R"));
    is_opaque(&with(fine, b"cm\nZone\n)R\x86R"));
    is_opaque(&with(fine, b"cdatetime\ntimezone\ncdatetime\ntimedelta\nK\0K\0K\x01\x87R\x85R\x86R"));
    is_opaque(&with(fine, b"\x85RNb"));
    is_opaque(&with(fine, b"K\x01\x86R"));
}

#[test]
fn what_cannot_be_kept_leaves_a_placeholder() {
    is(b"Pid 7\n.", placeholder("persistent reference", vec!["id 7".into()]));
    is(b"K\x07Q.", placeholder("persistent reference", vec![7.into()]));
    is(b"\x82\x07.", placeholder("extension", vec![7.into()]));
    is(b"\x83\x07\x01.", placeholder("extension", vec![263.into()]));
    is(b"\x84\x07\0\0\x01.", placeholder("extension", vec![((1 << 24) + 7).into()]));
    let callee = opaque(Opaque::global("m", "C"));
    is(b"cm\nC\ncm\nargs\n)RR.", placeholder("call with computed arguments", vec![callee]));
}

#[test]
fn an_object_within_itself_is_cut_where_it_comes_again() {
    // With how many levels up it is.
    let again = |levels| placeholder("recursive reference", vec![Value::Int(levels)]);
    is(b"]q\0h\0a.", Value::List(vec![again(1)]));
    is(b"]q\0h\0\x85a.", Value::List(vec![Value::Tuple(vec![again(2)])]));
    is(b"}q\0\x8c\x01ah\0s.", Value::Map(vec![("a".into(), again(1))]));
    let state = Some(Value::Map(vec![("me".into(), again(2))]));
    is(b"cm\nC\n)\x81q\0}\x8c\x02meh\0sb.", opaque(Opaque { state, ..new("m", "C", vec![]) }));
    // Twice is not within itself.
    is(b"]q\0h\0\x86.", Value::Tuple(vec![Value::List(vec![]), Value::List(vec![])]));
}

#[test]
fn what_is_nested_too_deep_is_cut_there() {
    let limits = Limits { depth: 3, ..Limits::default() };
    let deep = || placeholder("nested too deep", vec![]);
    let list = |v| Value::List(vec![v]);
    assert_eq!(read(b"]]]aa.", &limits), Ok(list(list(Value::List(vec![])))));
    assert_eq!(read(b"]]]K\x01aaa.", &limits), Ok(list(list(deep()))));
    assert_eq!(read(b"]]cm\nC\nK\x01\x85Raa.", &limits), Ok(list(list(deep()))));
    let global = list(list(opaque(Opaque::global("m", "C"))));
    assert_eq!(read(b"]]cm\nC\naa.", &limits), Ok(global));
}
