//! What comes over the socket of a pyATS reporter.

use oyez_model::Value;
use oyez_wire::pyats::frame::{FrameError, Frames, encode};
use oyez_wire::pyats::pickle::{Limits, Writer, read, to_text, without_opaque, write};

/// The first byte says which limits: small ones, so that small inputs reach them, or some that keep a run short.
fn limited(bytes: &[u8]) -> (Limits, &[u8]) {
    let (first, bytes) = bytes.split_first().unwrap_or((&0, &[]));
    let limits = if first & 1 == 0 {
        Limits { nodes: 50_000, bytes: 1 << 20, ..Limits::default() }
    } else {
        Limits { depth: 4, nodes: 100, bytes: 200, memo: 5, message: 2_000 }
    };
    (limits, bytes)
}

/// A pickle: read within its limits, kept in the journal, and told to others without its objects.
pub fn pickle(bytes: &[u8]) {
    let (limits, bytes) = limited(bytes);
    let value = match read(bytes, &limits) {
        Ok(value) => value,
        Err(error) => return drop(error.to_string()),
    };
    let kept = minicbor::to_vec(&value).expect("a vector takes everything");
    assert_eq!(minicbor::decode::<Value>(&kept).expect("what we wrote can be read"), value);
    let _ = (serde_json::to_string(&value), to_text(&value));
    let mut told = Vec::new();
    let mut writer = Writer::new(&mut told).opaque_as_text();
    writer.value(&value);
    writer.finish();
    let told = read(&told, &Limits::default()).expect("what we wrote can be read");
    assert_eq!(without_opaque(&told), told, "an object is left");
}

/// A pickle that is written again says the same, but for placeholders, which become texts the first time.
pub fn pickle_again(bytes: &[u8]) {
    let (limits, bytes) = limited(bytes);
    let Ok(value) = read(bytes, &limits) else { return };
    let once = read(&write(&value), &Limits::default()).expect("what we wrote can be read");
    let twice = read(&write(&once), &Limits::default()).expect("what we wrote can be read");
    assert_eq!(once, twice, "{value:?}");
}

/// Chunks that arrive in pieces of any size give the same messages as in one piece, and those are chunked again.
pub fn frame(bytes: &[u8]) {
    let (first, bytes) = bytes.split_first().unwrap_or((&0, &[]));
    let limit = if first & 1 == 0 { 1 << 20 } else { 100 };
    let (whole, cut, end) = messages(limit, [bytes]);
    let (pieces, cut_in_pieces, end_in_pieces) = messages(limit, bytes.chunks(usize::from(first >> 1) + 1));
    assert_eq!((&whole, end), (&pieces, end_in_pieces));
    assert!(end.is_some() || cut == cut_in_pieces);
    let mut again = Vec::new();
    whole.iter().for_each(|message| encode(message, &mut again));
    assert_eq!(messages(limit, [&again[..]]), (whole, false, None));
}

/// The messages, whether the last is cut off, and what went wrong.
fn messages<'b>(
    limit: usize,
    pieces: impl IntoIterator<Item = &'b [u8]>,
) -> (Vec<Vec<u8>>, bool, Option<FrameError>) {
    let (mut frames, mut out) = (Frames::new(limit), Vec::new());
    for mut piece in pieces {
        loop {
            match frames.next(&mut piece) {
                Ok(Some(message)) => out.push(message.to_vec()),
                Ok(None) => break,
                Err(error) => return (out, frames.is_mid_message(), Some(error)),
            }
        }
    }
    (out, frames.is_mid_message(), None)
}
