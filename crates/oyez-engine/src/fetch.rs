//! Documents from elsewhere: files of this machine, and what a web server gives. Each within a time and a size, so that
//! neither a slow server nor an endless file holds anybody up.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use ureq::tls::{RootCerts, TlsConfig};

use crate::duration::GoDuration;
use crate::uri::Uri;

/// As many redirects as Go's client follows.
const MOST_REDIRECTS: u32 = 10;

/// What a fetched document may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchLimits {
    /// The longest that a web server may take for all of it, redirects included.
    pub time: Duration,
    /// The most bytes that it may have.
    pub bytes: u64,
}

impl Default for FetchLimits {
    /// 30 s and 16 MiB.
    fn default() -> Self {
        FetchLimits { time: Duration::from_secs(30), bytes: 16 << 20 }
    }
}

/// Fetches a document; blocks.
///
/// # Errors
/// Why it cannot be had, with the limit that it broke if it did.
pub fn fetch(uri: &Uri, limits: FetchLimits) -> Result<Vec<u8>, String> {
    match uri.scheme() {
        "" | "file" => read_file(&uri.file(), limits.bytes),
        "http" | "https" => get(uri, limits),
        other => Err(format!("unsupported scheme '{other}'")),
    }
}

/// Reads a file to its end; blocks as long as the file system does.
///
/// # Errors
/// In Go's words: `open /x: no such file or directory`; or that it is no file, or longer than it may be.
pub(crate) fn read_file(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let said = |verb: &str, e: &std::io::Error| {
        let why = match e.kind() {
            ErrorKind::NotFound => "no such file or directory".to_owned(),
            ErrorKind::PermissionDenied => "permission denied".to_owned(),
            ErrorKind::IsADirectory => "is a directory".to_owned(),
            _ => e.to_string(),
        };
        format!("{verb} {shown}: {why}")
    };
    // Without waiting: a fifo that nobody writes to would hold us for ever.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|e| said("open", &e))?;
    let kind = file.metadata().map_err(|e| said("stat", &e))?.file_type();
    if kind.is_dir() {
        return Err(format!("read {shown}: is a directory"));
    }
    if !kind.is_file() {
        return Err(format!("read {shown}: it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| said("read", &e))?;
    if bytes.len() as u64 > most {
        return Err(format!("read {shown}: it is longer than the limit of {most} bytes"));
    }
    Ok(bytes)
}

fn get(uri: &Uri, limits: FetchLimits) -> Result<Vec<u8>, String> {
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .build();
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(limits.time))
        .max_redirects(MOST_REDIRECTS)
        .http_status_as_error(false)
        .user_agent(concat!("oyez/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls)
        .build();
    let said = |e: ureq::Error| match e {
        ureq::Error::Timeout(_) => {
            let limit = GoDuration(i64::try_from(limits.time.as_nanos()).unwrap_or(i64::MAX));
            format!("GET {uri}: it took longer than the limit of {limit}")
        }
        ureq::Error::BodyExceedsLimit(_) => {
            format!("GET {uri}: the answer is longer than the limit of {} bytes", limits.bytes)
        }
        ureq::Error::TooManyRedirects => format!("GET {uri}: stopped after {MOST_REDIRECTS} redirects"),
        other => format!("GET {uri}: {other}"),
    };
    let mut response = ureq::Agent::new_with_config(config).get(uri.to_string()).call().map_err(said)?;
    let status = response.status();
    if !status.is_success() {
        return Err(format!("GET {uri}: the server answered {status}"));
    }
    response.body_mut().with_config().limit(limits.bytes).read_to_vec().map_err(said)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// A web server for one test: answers each path with what the function gives, until it is asked no more.
    fn serve(answer: impl Fn(&str, &mut TcpStream) + Send + 'static) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let first = lines.next().unwrap().unwrap();
                while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
                answer(first.split(' ').nth(1).unwrap(), &mut stream);
            }
        });
        format!("http://{address}")
    }

    fn say(stream: &mut TcpStream, status: &str, header: &str, body: &str) {
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status}\r\n{header}Content-Length: {length}\r\nConnection: close\r\n\r\n");
        // Whoever refuses the answer may have hung up.
        let _gone = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
    }

    fn fetched(text: &str, limits: FetchLimits) -> Result<String, String> {
        fetch(&Uri::parse(text).unwrap(), limits).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_file_is_read_by_its_path_or_its_uri() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a b");
        std::fs::write(&path, "steps").unwrap();
        let limits = FetchLimits { bytes: 5, ..FetchLimits::default() };
        let shown = path.display().to_string();
        assert_eq!(fetched(&shown, limits).unwrap(), "steps");
        assert_eq!(fetched(&format!("file://{}", shown.replace(' ', "%20")), limits).unwrap(), "steps");
        let short = FetchLimits { bytes: 4, ..limits };
        let said = fetched(&shown, short).unwrap_err();
        assert_eq!(said, format!("read {shown}: it is longer than the limit of 4 bytes"));
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let shown = folder.path().display().to_string();
        let said = |name: &str| fetched(&format!("{shown}/{name}"), FetchLimits::default()).unwrap_err();
        assert_eq!(said("x"), format!("open {shown}/x: no such file or directory"));
        assert_eq!(said("."), format!("read {shown}/.: is a directory"));
        let fifo = folder.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).unwrap();
        assert_eq!(said("fifo"), format!("read {shown}/fifo: it is no regular file"));
        assert_eq!(
            fetched("file:x", FetchLimits::default()).unwrap_err(),
            "open : no such file or directory"
        );
    }

    #[test]
    fn a_web_server_must_answer_with_success_within_the_limits() {
        let server = serve(|path, stream| match path {
            "/steps" => say(stream, "200 OK", "", "steps"),
            "/moved" => say(stream, "302 Found", "Location: /steps\r\n", ""),
            "/round" => say(stream, "302 Found", "Location: /round\r\n", ""),
            "/long" => say(stream, "200 OK", "", &"x".repeat(100)),
            // Held until the client has gone.
            "/slow" => drop(std::io::copy(stream, &mut std::io::sink())),
            _ => say(stream, "404 Not Found", "", "no"),
        });
        let limits = FetchLimits { time: Duration::from_secs(20), bytes: 99 };
        assert_eq!(fetched(&format!("{server}/steps"), limits).unwrap(), "steps");
        assert_eq!(fetched(&format!("{server}/moved"), limits).unwrap(), "steps");
        let refused = |path: &str, limits| {
            fetched(&format!("{server}{path}"), limits).unwrap_err().replace(&server, "SERVER")
        };
        assert_eq!(refused("/no", limits), "GET SERVER/no: the server answered 404 Not Found");
        assert_eq!(refused("/round", limits), "GET SERVER/round: stopped after 10 redirects");
        let long = "GET SERVER/long: the answer is longer than the limit of 99 bytes";
        assert_eq!(refused("/long", limits), long);
        let hasty = FetchLimits { time: Duration::from_millis(50), ..limits };
        assert_eq!(refused("/slow", hasty), "GET SERVER/slow: it took longer than the limit of 50ms");
    }
}
