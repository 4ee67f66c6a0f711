//! What a real ConTest answered over HTTP, byte for byte.

#![expect(clippy::unwrap_used, reason = "a test may: its panic is the report")]

#[path = "../../../../tests/skipped.rs"]
mod skipped;

mod examples;
mod status;

use std::path::{Path, PathBuf};

/// The recordings of a real ConTest, if they are here.
fn golden() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden/contest");
    if path.is_dir() {
        return Some(path);
    }
    skipped::skipped("../shared is not there");
    None
}

/// A recorded request and what came back.
struct Example {
    name: String,
    path: String,
    form: String,
    is_post: bool,
    status: u16,
    body: String,
}

fn examples() -> Vec<Example> {
    let Some(golden) = golden() else { return Vec::new() };
    let mut out = Vec::new();
    for entry in std::fs::read_dir(golden.join("http-examples")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let Some((request, reply)) = text.strip_prefix("### curl ").and_then(|rest| rest.split_once('\n'))
        else {
            continue;
        };
        let mut parts = request.split(" -d ");
        let (method, url) = match parts.next().unwrap().split_once("-X POST ") {
            Some((_, url)) => ("POST", url),
            None => ("GET", request),
        };
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        // The file ends with a line break of its own.
        let body = body.strip_suffix('\n').unwrap();
        out.push(Example {
            name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
            path: url.trim_start_matches("http://").trim_start_matches(|c| c != '/').to_owned(),
            form: parts.collect::<Vec<_>>().join("&"),
            is_post: method == "POST",
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            body: body.to_owned(),
        });
    }
    assert!(out.len() >= 23, "only {}", out.len());
    out
}
