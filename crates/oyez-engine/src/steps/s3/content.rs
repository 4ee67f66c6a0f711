//! What is sent: a file as it is, or an archive of it that is packed on the way. A thread reads and packs, a part at a
//! time.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::Path;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::sync::mpsc;

/// A part; all but the last must have 5 MiB at least, and there are 10,000 at most.
const PART: usize = 16 << 20;
/// So many parts.
const MOST_PARTS: usize = 10_000;

/// The parts, as they are read.
#[derive(Debug)]
pub(super) struct Content(mpsc::Receiver<Result<Bytes, String>>);

impl Content {
    /// Opens the file.
    pub(super) async fn open(path: String, compress: bool) -> Result<Content, String> {
        let (to, parts) = mpsc::channel(1);
        let opening = tokio::task::spawn_blocking(move || {
            let file = open(&path)?;
            Ok::<_, String>((path, file))
        });
        let failed = move |why: String| match compress {
            true => format!("error creating an archive: {why}"),
            false => format!("could not read the file: {why}"),
        };
        let (path, file) = opening.await.map_err(|e| e.to_string())?.map_err(failed)?;
        // It ends with the file, or when nobody takes the parts any more.
        tokio::task::spawn_blocking(move || {
            let mut parts = Parts { to, part: Vec::new(), count: 0 };
            let read = match compress {
                true => pack(&path, &file, &mut parts),
                false => io::copy(&mut &file, &mut parts).map(drop),
            };
            let end = read.and_then(|()| parts.hand_on());
            if let Err(e) = end {
                let _gone = parts.to.blocking_send(Err(failed(e.to_string())));
            }
        });
        Ok(Content(parts))
    }

    /// The next part; none after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, String> {
        self.0.recv().await.transpose()
    }
}

fn open(path: &str) -> Result<File, String> {
    use std::os::unix::fs::OpenOptionsExt as _;
    // Without waiting for whoever writes into a fifo.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let said = |e: io::Error| match e.kind() {
        io::ErrorKind::NotFound => format!("open {path}: no such file or directory"),
        io::ErrorKind::PermissionDenied => format!("open {path}: permission denied"),
        _ => format!("open {path}: {e}"),
    };
    let file = File::options().read(true).custom_flags(flags).open(path).map_err(said)?;
    match file.metadata().map_err(said)?.is_file() {
        true => Ok(file),
        false => Err(format!("read {path}: it is no regular file")),
    }
}

/// An archive of one file, under its own path, as ConTest packs it.
fn pack(path: &str, file: &File, parts: &mut Parts) -> io::Result<()> {
    let meta = file.metadata()?;
    let mut header = tar::Header::new_gnu();
    header.set_metadata(&meta);
    let name = Path::new(path.trim_start_matches('/'));
    let mut archive = tar::Builder::new(GzEncoder::new(parts, Compression::default()));
    // A file that grows meanwhile goes in as long as it was.
    archive.append_data(&mut header, name, file.take(meta.len()))?;
    archive.into_inner()?.finish().map(drop)
}

/// Gathers parts and hands them on.
struct Parts {
    to: mpsc::Sender<Result<Bytes, String>>,
    part: Vec<u8>,
    count: usize,
}

impl Parts {
    fn hand_on(&mut self) -> io::Result<()> {
        self.count += 1;
        if self.count > MOST_PARTS {
            return Err(io::Error::other(format!(
                "it is longer than the limit of {} bytes",
                PART * MOST_PARTS
            )));
        }
        let part = Bytes::from(std::mem::take(&mut self.part));
        self.to.blocking_send(Ok(part)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Parts {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PART - self.part.len());
        self.part.extend_from_slice(&bytes[..taken]);
        if self.part.len() == PART {
            self.hand_on()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a content is, from its begin, as far as that matters to whoever looks at it in a browser.
pub(super) fn kind(begin: &[u8]) -> &'static str {
    let begin = &begin[..begin.len().min(512)];
    let is_text = |b: &u8| !matches!(b, 0..=8 | 11 | 14..=26 | 28..=31);
    match begin {
        [0x1f, 0x8b, 8, ..] => "application/x-gzip",
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [b'P', b'K', 3, 4, ..] => "application/zip",
        [b'%', b'P', b'D', b'F', b'-', ..] => "application/pdf",
        begin if begin.iter().all(is_text) => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(mut content: Content) -> Vec<Bytes> {
        let mut parts = Vec::new();
        while let Some(part) = content.next().await.unwrap() {
            parts.push(part);
        }
        parts
    }

    #[tokio::test]
    async fn a_file_comes_in_parts() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        assert_eq!(all(Content::open(path.clone(), false).await.unwrap()).await, [Bytes::new()]);
        let bytes: Vec<u8> = (0..PART + 7).map(|i| u8::try_from(i % 251).unwrap()).collect();
        std::fs::write(file.path(), &bytes).unwrap();
        let parts = all(Content::open(path, false).await.unwrap()).await;
        assert_eq!(parts.iter().map(Bytes::len).collect::<Vec<_>>(), [PART, 7]);
        assert_eq!(parts.concat(), bytes);
    }

    #[tokio::test]
    async fn an_archive_holds_the_file_under_its_path() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hello").unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        let packed = all(Content::open(path.clone(), true).await.unwrap()).await.concat();
        assert_eq!(kind(&packed), "application/x-gzip");
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed.as_slice()));
        let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(entry.path().unwrap().to_str().unwrap(), path.trim_start_matches('/'));
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_said_in_contests_words() {
        let missing = Content::open("/no/such".to_owned(), false).await.unwrap_err();
        assert_eq!(missing, "could not read the file: open /no/such: no such file or directory");
        let missing = Content::open("/no/such".to_owned(), true).await.unwrap_err();
        assert!(missing.starts_with("error creating an archive: open /no/such: "));
        let folder = Content::open("/".to_owned(), false).await.unwrap_err();
        assert_eq!(folder, "could not read the file: read /: it is no regular file");
        assert_eq!((kind(b"a\n"), kind(b"\0")), ("text/plain; charset=utf-8", "application/octet-stream"));
    }
}
