//! Python's word on it: what it pickles is read here, written again, and must be the same objects for Python.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use oyez_wire::pyats::pickle::{Limits, Writer, read, write};

const CORPUS: &str = include_str!("corpus.py");

/// The output of the corpus program; `None` without Python.
fn python(mode: &str, input: Vec<u8>) -> Option<Vec<u8>> {
    let mut child = match Command::new("python3")
        .args(["-I", "-c", CORPUS, mode])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
    {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            crate::skipped::skipped("python3 is not there");
            return None;
        }
        Err(error) => panic!("python3: {error}"),
    };
    let mut stdin = child.stdin.take().unwrap();
    let feeding = std::thread::spawn(move || stdin.write_all(&input));
    // It ends itself after two minutes.
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "python3 {mode}: {}", output.status);
    feeding.join().unwrap().unwrap();
    Some(output.stdout)
}

/// Name and pickle of each record.
fn records(mut bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut next = || {
        let (len, rest) = bytes.split_first_chunk::<4>()?;
        let (record, rest) = rest.split_at(u32::from_be_bytes(*len) as usize);
        bytes = rest;
        Some(record.to_vec())
    };
    let mut out = Vec::new();
    while let (Some(name), Some(pickle)) = (next(), next()) {
        out.push((String::from_utf8(name).unwrap(), pickle));
    }
    out
}

fn record(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
    out.extend(bytes);
}

#[test]
fn what_python_pickles_comes_back_to_python_as_the_same_objects() {
    let Some(dumped) = python("dump", Vec::new()) else { return };
    let records = records(&dumped);
    assert!(records.len() > 3_000, "{}", records.len());
    let mut written = Vec::new();
    let mut wrong = String::new();
    for (name, pickle) in &records {
        match read(pickle, &Limits::default()) {
            Ok(value) => {
                let cbor = minicbor::to_vec(&value).unwrap();
                assert_eq!(minicbor::decode::<oyez_model::Value>(&cbor).unwrap(), value, "{name}");
                record(name.as_bytes(), &mut written);
                record(&write(&value), &mut written);
            }
            Err(error) => {
                writeln!(wrong, "{name}: {error}: {}", pickle[..pickle.len().min(300)].escape_ascii())
                    .unwrap()
            }
        }
    }
    let checked = python("check", written).unwrap();
    let wrong = wrong + &String::from_utf8_lossy(&checked);
    assert!(wrong.is_empty(), "{}", wrong.lines().take(40).collect::<Vec<_>>().join("\n"));
}

#[test]
fn objects_that_refer_to_each_other_do_so_in_python_too() {
    let mut pickle = Vec::new();
    let mut w = Writer::new(&mut pickle);
    let new = |w: &mut Writer<'_>| {
        w.global("corpus_classes", "Plain");
        w.empty_tuple();
        w.new_object();
        w.memoize()
    };
    let parent = new(&mut w);
    w.dict();
    w.mark();
    w.text("name");
    w.text("suite");
    w.text("children");
    w.list();
    w.mark();
    let mut sibling = None;
    for _ in 0..300 {
        let child = new(&mut w);
        w.dict();
        w.mark();
        w.text("parent");
        w.get(parent);
        w.text("sibling");
        match sibling {
            Some(sibling) => w.get(sibling),
            None => w.none(),
        }
        w.set_items();
        w.build();
        sibling = Some(child);
    }
    w.append_items();
    w.set_items();
    w.build();
    w.finish();
    python("graph", pickle);
}
