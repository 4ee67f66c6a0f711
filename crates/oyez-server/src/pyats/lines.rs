//! How many lines stand before a byte of a growing log, counted on a thread of its own.
//!
//! A line ends with `\n`, `\r\n` or `\r` (specs/pyats.md 4.3). Files are read forward once; places that were asked for
//! are remembered, so that going back costs what lies between two of them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use oyez_model::event::LogSpan;
use oyez_wire::pyats::tree::Ix;
use rustc_hash::FxHashMap;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A log whose lines are to be counted.
#[derive(Debug)]
pub struct Ask {
    /// The section it belongs to.
    pub ix: Ix,
    /// The file.
    pub path: PathBuf,
    /// Its place; the lines are filled in.
    pub span: LogSpan,
}

/// The answer: the place with its lines, or why they cannot be counted.
#[derive(Debug)]
pub struct Told {
    /// The section.
    pub ix: Ix,
    /// The place.
    pub span: LogSpan,
    /// What went wrong.
    pub error: Option<String>,
}

/// The thread that counts.
#[derive(Debug)]
pub struct Counter {
    asks: Sender<Ask>,
    told: UnboundedReceiver<Told>,
    waiting: usize,
}

impl Counter {
    /// Starts it; it ends when this is dropped.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start() -> io::Result<Self> {
        let (asks, asked) = channel();
        let (tell, told) = unbounded_channel();
        thread::Builder::new().name("log lines".to_owned()).spawn(move || count_all(&asked, &tell))?;
        Ok(Counter { asks, told, waiting: 0 })
    }

    /// Asks for lines.
    pub fn ask(&mut self, ask: Ask) {
        // The thread ends only after this is dropped.
        if self.asks.send(ask).is_ok() {
            self.waiting += 1;
        }
    }

    /// How many answers are still to come.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// The next answer.
    pub async fn next(&mut self) -> Option<Told> {
        let told = self.told.recv().await;
        self.waiting = self.waiting.saturating_sub(1);
        told
    }

    /// An answer that is there already.
    pub fn ready(&mut self) -> Option<Told> {
        let told = self.told.try_recv().ok()?;
        self.waiting = self.waiting.saturating_sub(1);
        Some(told)
    }
}

/// Most files kept open at once.
const MOST_FILES: usize = 64;

fn count_all(asked: &Receiver<Ask>, tell: &UnboundedSender<Told>) {
    let mut known: FxHashMap<PathBuf, Known> = FxHashMap::default();
    while let Ok(Ask { ix, path, mut span }) = asked.recv() {
        if known.len() >= MOST_FILES && !known.contains_key(&path) {
            known.clear();
        }
        let error = count(&mut known, &path, &mut span).err().map(|e| {
            known.remove(&path);
            format!("the lines of its log {} cannot be counted: {e}", span.file)
        });
        if tell.send(Told { ix, span, error }).is_err() {
            return;
        }
    }
}

fn count(known: &mut FxHashMap<PathBuf, Known>, path: &Path, span: &mut LogSpan) -> io::Result<()> {
    let of = match known.get_mut(path) {
        Some(of) if of.is_same(path) => of,
        _ => {
            let of = Known::open(path)?;
            known.insert(path.to_owned(), of);
            match known.get_mut(path) {
                Some(of) => of,
                None => return Ok(()),
            }
        }
    };
    let begin = of.lines_before(span.begin)?;
    span.begin_lines = Some(begin);
    if let Some(size) = span.size {
        span.size_lines = Some(of.lines_before(span.begin.saturating_add(size))?.saturating_sub(begin));
    }
    Ok(())
}

/// A file of which some places are known.
#[derive(Debug)]
struct Known {
    file: File,
    inode: u64,
    /// Bytes and the lines that end before them, rising.
    places: Vec<(u64, u64)>,
}

const STEP: usize = 1 << 20;

impl Known {
    fn open(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt;
        let file = File::open(path)?;
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        Ok(Known { inode: about.ino(), file, places: vec![(0, 0)] })
    }

    /// Neither another file by this name, nor shorter than what was counted.
    fn is_same(&self, path: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;
        let counted = self.places.last().map_or(0, |place| place.0);
        match std::fs::metadata(path) {
            Ok(about) => about.ino() == self.inode && about.len() >= counted,
            // Unlinked: what was opened is still there.
            Err(_) => true,
        }
    }

    fn lines_before(&mut self, byte: u64) -> io::Result<u64> {
        let after = self.places.partition_point(|place| place.0 <= byte);
        let (mut at, mut lines) = self.places[after - 1];
        if at == byte {
            return Ok(lines);
        }
        let mut ends_with_return = false;
        let mut buffer = vec![0; STEP.min(usize::try_from(byte - at).unwrap_or(STEP)) + 1];
        while at < byte {
            // One byte more than is counted tells whether a `\r` at the end is half of a `\r\n`.
            let wanted = usize::try_from(byte - at).unwrap_or(STEP).min(STEP);
            let got = read_at(&self.file, &mut buffer[..wanted + 1], at)?;
            if got == 0 {
                return Err(io::Error::other(format!("it has only {at} bytes, {byte} were expected")));
            }
            let counted = got.min(wanted);
            let next = buffer.get(counted).filter(|_| got > counted).copied();
            lines += ends(&buffer[..counted], next);
            at += counted as u64;
            ends_with_return = buffer[counted - 1] == b'\r';
        }
        // Whether a `\r` at this place is half of a line end may be known only later.
        if ends_with_return {
            return Ok(lines);
        }
        self.places.insert(after, (byte, lines));
        Ok(lines)
    }
}

fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match file.read_at(&mut buffer[got..], at + got as u64) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(got)
}

/// Line ends in `bytes`; a `\r` at the end whose `\n` follows is counted with that.
fn ends(bytes: &[u8], next: Option<u8>) -> u64 {
    let mut lines = memchr::memchr_iter(b'\n', bytes).count() as u64;
    for at in memchr::memchr_iter(b'\r', bytes) {
        let after = bytes.get(at + 1).copied().or(next);
        lines += u64::from(after != Some(b'\n'));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(text: &[u8], begin: u64, size: u64) -> io::Result<(u64, u64)> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("log");
        std::fs::write(&path, text)?;
        let mut span = LogSpan { begin, size: Some(size), ..LogSpan::default() };
        count(&mut FxHashMap::default(), &path, &mut span)?;
        Ok((span.begin_lines.unwrap_or(9), span.size_lines.unwrap_or(9)))
    }

    #[test]
    fn all_three_line_ends_count_once() {
        assert_eq!(counted(b"a\nb\r\nc\rd", 0, 8).unwrap(), (0, 3));
    }

    #[test]
    fn a_line_end_cut_by_a_place_counts_on_one_side_only() {
        assert_eq!(counted(b"a\r\nb\n", 2, 3).unwrap(), (0, 2));
    }

    #[test]
    fn a_file_that_is_shorter_than_expected_is_an_error_that_says_so() {
        let text = counted(b"abc\n", 0, 100).unwrap_err().to_string();
        assert!(text.contains("only 4 bytes"), "{text}");
    }

    #[test]
    fn a_carriage_return_at_the_end_of_a_read_is_half_of_its_line_end() {
        let mut text = vec![b'x'; STEP - 1];
        text.extend_from_slice(b"\r\nmore\n");
        assert_eq!(counted(&text, 0, text.len() as u64).unwrap(), (0, 2));
    }

    #[test]
    fn a_log_that_was_rotated_or_cut_is_counted_anew_and_an_unlinked_one_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut known = FxHashMap::default();
        let mut lines = |text: Option<&str>, begin: u64, size: u64| {
            if let Some(text) = text {
                std::fs::write(dir.path().join("new"), text).unwrap();
                std::fs::rename(dir.path().join("new"), &path).unwrap();
            }
            let mut span = LogSpan { begin, size: Some(size), ..LogSpan::default() };
            count(&mut known, &path, &mut span)
                .map(|()| (span.begin_lines.unwrap_or(9), span.size_lines.unwrap_or(9)))
        };
        assert_eq!(lines(Some("a\nb\nc\n"), 2, 4).unwrap(), (1, 2));
        // Another file by this name, shorter than what was counted.
        assert_eq!(lines(Some("a\n"), 0, 2).unwrap(), (0, 1));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(lines(None, 0, 2).unwrap(), (0, 1));
        assert!(count(&mut FxHashMap::default(), &path, &mut LogSpan::default()).is_err());
    }
}
