//! Bytes to items: each JSON value of the output, and the text between them.

use serde_json::Value as Json;

use super::artifact::Artifact;

/// A value has at most so many bytes; what is longer is passed on as text.
pub const LONGEST_VALUE: usize = 1 << 20;

/// What stands in the output.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// An artifact.
    Artifact(Box<Artifact>),
    /// Bytes that are none: whole lines, or pieces of a very long one.
    Text(Vec<u8>),
    /// The output ends within a value; this is what there is of it.
    BrokenOff(Vec<u8>),
}

/// Reads an output as it comes, in pieces of any size.
#[derive(Debug, Default)]
pub struct Reader {
    /// A line whose end has not come yet.
    line: Vec<u8>,
    /// Whole lines that are the begin of a value.
    begun: Vec<u8>,
    /// How deep it is at its end.
    depth: Depth,
    /// The line is longer than a value may be, and passed on as text until it ends.
    is_overlong: bool,
}

impl Reader {
    /// At the begin of an output.
    #[must_use]
    pub fn new() -> Self {
        Reader::default()
    }

    /// Reads on.
    pub fn push(&mut self, bytes: &[u8], out: &mut dyn FnMut(Item)) {
        let mut rest = bytes;
        while let Some(at) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(at + 1);
            self.add(line, out);
            if std::mem::take(&mut self.is_overlong) {
                self.flush_line(out);
            } else {
                let line = std::mem::take(&mut self.line);
                self.take(line, out);
            }
            rest = after;
        }
        self.add(rest, out);
    }

    /// The output has ended.
    pub fn end(mut self, out: &mut dyn FnMut(Item)) {
        let line = std::mem::take(&mut self.line);
        if self.is_overlong {
            out(Item::Text(line));
        } else if !line.is_empty() {
            self.take(line, out);
        }
        if !self.begun.is_empty() {
            out(Item::BrokenOff(self.begun));
        }
    }

    /// Adds to the line; one that is too long is no value.
    fn add(&mut self, bytes: &[u8], out: &mut dyn FnMut(Item)) {
        for piece in bytes.chunks(LONGEST_VALUE) {
            self.line.extend_from_slice(piece);
            if self.line.len() > LONGEST_VALUE {
                self.flush_begun(out);
                self.is_overlong = true;
                self.flush_line(out);
            }
        }
    }

    fn flush_line(&mut self, out: &mut dyn FnMut(Item)) {
        if !self.line.is_empty() {
            out(Item::Text(std::mem::take(&mut self.line)));
        }
    }

    fn flush_begun(&mut self, out: &mut dyn FnMut(Item)) {
        if !self.begun.is_empty() {
            out(Item::Text(std::mem::take(&mut self.begun)));
        }
    }

    /// A whole line, alone or behind what was begun.
    fn take(&mut self, line: Vec<u8>, out: &mut dyn FnMut(Item)) {
        let alone = values(&line);
        if self.begun.is_empty() || matches!(alone, Values::All(_)) {
            // A line that is an artifact is never a part of another one: what was begun before it is text.
            self.flush_begun(out);
            return match alone {
                Values::All(found) => give(found, out),
                Values::Begun => {
                    self.depth = Depth::default();
                    self.depth.scan(&line);
                    self.begun = line;
                }
                Values::None => out(Item::Text(line)),
            };
        }
        self.depth.scan(&line);
        self.begun.extend_from_slice(&line);
        if self.begun.len() > LONGEST_VALUE {
            self.flush_begun(out);
        } else if self.depth.open == 0 {
            // Looked at only here, so that each byte is read once, however many lines it takes.
            match values(&self.begun) {
                Values::All(found) => {
                    self.begun.clear();
                    give(found, out);
                }
                Values::Begun | Values::None => self.flush_begun(out),
            }
        }
    }
}

/// How many braces and brackets are open.
#[derive(Debug, Default)]
struct Depth {
    open: usize,
    in_text: bool,
    is_escaped: bool,
}

impl Depth {
    fn scan(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match (byte, self.in_text) {
                _ if std::mem::take(&mut self.is_escaped) => {}
                (b'\\', true) => self.is_escaped = true,
                (b'"', in_text) => self.in_text = !in_text,
                (b'{' | b'[', false) => self.open += 1,
                (b'}' | b']', false) => self.open = self.open.saturating_sub(1),
                _ => {}
            }
        }
    }
}

fn give(found: Vec<Artifact>, out: &mut dyn FnMut(Item)) {
    found.into_iter().for_each(|artifact| out(Item::Artifact(Box::new(artifact))));
}

/// What some lines are.
enum Values {
    /// Artifacts, one or more.
    All(Vec<Artifact>),
    /// The begin of a value.
    Begun,
    /// Something else.
    None,
}

fn values(bytes: &[u8]) -> Values {
    if bytes.iter().find(|b| !b.is_ascii_whitespace()) != Some(&b'{') {
        return Values::None;
    }
    let mut found = Vec::new();
    for value in serde_json::Deserializer::from_slice(bytes).into_iter::<Json>() {
        match value {
            Ok(json) => match Artifact::read(json) {
                Some(artifact) => found.push(artifact),
                None => return Values::None,
            },
            Err(e) if e.is_eof() => return Values::Begun,
            Err(_) => return Values::None,
        }
    }
    Values::All(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::formats::ocp::What;

    fn items(pieces: &[&[u8]]) -> Vec<Item> {
        let (mut reader, mut items) = (Reader::new(), Vec::new());
        pieces.iter().for_each(|piece| reader.push(piece, &mut |item| items.push(item)));
        reader.end(&mut |item| items.push(item));
        items
    }

    fn shown(items: &[Item]) -> Vec<String> {
        let one = |item: &Item| match item {
            Item::Artifact(artifact) => format!("artifact {:?}", artifact.sequence),
            Item::Text(text) => format!("text {}", String::from_utf8_lossy(text)),
            Item::BrokenOff(text) => format!("broken off {}", String::from_utf8_lossy(text)),
        };
        items.iter().map(one).collect()
    }

    const LOG: &str = r#"{"sequenceNumber":SEQ,"timestamp":"t","testRunArtifact":{"log":{"message":"a"}}}"#;

    fn log(sequence: u64) -> String {
        LOG.replace("SEQ", &sequence.to_string())
    }

    #[test]
    fn artifacts_and_text_come_in_their_order() {
        let text = format!("begin\n{}\r\n{}{}\n{{oops\n\n{{\"a\": 1}}\nend", log(1), log(2), log(3));
        let expected = [
            "text begin\n",
            "artifact Some(1)",
            "artifact Some(2)",
            "artifact Some(3)",
            "text {oops\n",
            "text \n",
            "text {\"a\": 1}\n",
            "text end",
        ];
        assert_eq!(shown(&items(&[text.as_bytes()])), expected);
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(shown(&items(&bytes)), expected);
    }

    #[test]
    fn a_value_may_go_over_several_lines() {
        let text = format!("{{\n  \"sequenceNumber\": 7,\n  \"timestamp\": \"t\"\n}}\n{}\n", log(8));
        let items = items(&[text.as_bytes()]);
        assert_eq!(shown(&items), ["artifact Some(7)", "artifact Some(8)"]);
        let Item::Artifact(first) = &items[0] else { panic!() };
        assert!(matches!(first.what, What::Other(_)));
    }

    #[test]
    fn what_only_looks_like_a_begin_does_not_swallow_what_follows() {
        let text = format!("{{\"half\": \n{}\n", log(1));
        assert_eq!(shown(&items(&[text.as_bytes()])), ["text {\"half\": \n", "artifact Some(1)"]);
        assert_eq!(shown(&items(&[b"{\"half\": "])), ["broken off {\"half\": "]);
    }

    #[test]
    fn what_is_too_long_is_text_to_the_byte() {
        let long = format!("{{\"a\": \"{}\"}}\n{}\n", "x".repeat(3 * LONGEST_VALUE), log(1));
        let items = items(&[long.as_bytes()]);
        let text: usize =
            items.iter().map(|item| if let Item::Text(text) = item { text.len() } else { 0 }).sum();
        assert_eq!(text, 3 * LONGEST_VALUE + 10);
        assert_eq!(shown(&items[items.len() - 1..]), ["artifact Some(1)"]);
        assert!(items.iter().all(|item| !matches!(item, Item::Text(text) if text.len() > 2 * LONGEST_VALUE)));
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_read_the_same(
            text in "([{}\\[\\]\",:\n a-c0-9]|\\{\"sequenceNumber\":1,\"timestamp\":\"t\"\\}){0,60}",
            size in 1_usize..20,
        ) {
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            let read = items(&pieces);
            prop_assert_eq!(&read, &items(&[text.as_bytes()]));
        }
    }
}
