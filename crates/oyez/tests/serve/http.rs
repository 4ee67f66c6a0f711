//! Requests to a server, to the byte.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::serve::Server;

/// What must come comes long before this; only a defect lets a test wait so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {} {}", self.head, self.text()))
    }
}

/// One request on a connection of its own.
pub fn ask(server: &Server, method: &str, path: &str, kind: &str, body: &[u8]) -> Answer {
    let host = server.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    // A server that refuses by the head, or before the end of the body, need not read all of it.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    let mut bytes = Vec::new();
    let ended = stream.read_to_end(&mut bytes);
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no answer: {ended:?} {:?}", String::from_utf8_lossy(&bytes))) + 4;
    let (head, body) = (String::from_utf8(bytes[..end].to_vec()).unwrap(), bytes[end..].to_vec());
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Answer { status, body: if is_chunked { joined(&body) } else { body }, head }
}

/// The chunks of a body as one.
fn joined(mut body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let line = body.windows(2).position(|two| two == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&body[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            return out;
        }
        out.extend_from_slice(&body[line + 2..line + 2 + size]);
        body = &body[line + 4 + size..];
    }
}

/// One of ConTest's verbs, as its client sends it.
pub fn verb(server: &Server, verb: &str, form: &[(&str, &[u8])]) -> Answer {
    let body: Vec<Vec<u8>> =
        form.iter().map(|(name, value)| [name.as_bytes(), b"=", &escaped(value)].concat()).collect();
    let kind = "application/x-www-form-urlencoded";
    ask(server, "POST", &format!("/{verb}"), kind, &body.join(&b"&"[..]))
}

/// Bytes in a form; the blank is not among those that stay, so that a `+` is never met.
fn escaped(bytes: &[u8]) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 2);
    for byte in bytes {
        if byte.is_ascii_alphanumeric() {
            out.push(*byte);
        } else {
            out.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
    out
}
