//! What stands in the log files, into the journal: a run's folder is packed and removed, the job's report stays.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::vec::IntoIter;

use oyez_model::event::{LogText, OutputDropped, Stream};
use oyez_model::{EventBody, SectionRef};
use oyez_wire::pyats::tree::{Kind, Piece, Tree};

/// Most bytes of one event: whole lines, unless one is longer.
const PIECE: usize = 64 << 10;
/// Most bytes that are taken from one file.
const MOST: u64 = 256 << 20;

/// The text of every log that a report names, event by event, each with the time of its section. A file that cannot be
/// read is said to be missing.
#[derive(Debug)]
pub struct Texts<'t> {
    tree: &'t Tree,
    folder: PathBuf,
    files: IntoIter<(String, Vec<Piece>)>,
    open: Option<Open>,
}

/// A file that is being read.
#[derive(Debug)]
struct Open {
    name: String,
    file: File,
    length: u64,
    /// Bytes that may still be taken.
    granted: u64,
    pieces: IntoIter<Piece>,
    piece: Option<Piece>,
}

impl<'t> Texts<'t> {
    /// The logs of a report, in the run's folder.
    #[must_use]
    pub fn of(tree: &'t Tree, folder: &Path) -> Self {
        let files: Vec<(String, Vec<Piece>)> = tree.log_pieces().into_iter().collect();
        Texts { tree, folder: folder.to_owned(), files: files.into_iter(), open: None }
    }

    fn open(&self, name: String, pieces: Vec<Piece>) -> io::Result<Open> {
        // Names come from clients: only files inside of the folder are read.
        if name.starts_with('/') || name.split('/').any(|part| part == "..") {
            return Err(io::Error::other("it is outside of the run's folder"));
        }
        let file = File::open(self.folder.join(&name))?;
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        Ok(Open { name, file, length: about.len(), granted: MOST, pieces: pieces.into_iter(), piece: None })
    }

    fn missing(&self, piece: Piece, bytes: u64, why: String) -> (i64, EventBody) {
        (self.time(piece), OutputDropped { id: self.reference(piece), bytes, why }.into())
    }

    fn reference(&self, piece: Piece) -> SectionRef {
        let node = self.tree.node(piece.ix);
        match node.kind {
            Kind::Suite => SectionRef::JOB,
            _ => SectionRef::own(node.number),
        }
    }

    fn time(&self, piece: Piece) -> i64 {
        self.tree.node(piece.ix).started.unwrap_or_default()
    }
}

impl Open {
    /// The next bytes of a piece: whole lines as far as they go into one event.
    fn read(&mut self, piece: &mut Piece) -> io::Result<Vec<u8>> {
        let left = piece.end.min(self.length).saturating_sub(piece.begin).min(self.granted);
        let mut text = vec![0; usize::try_from(left).unwrap_or(PIECE).min(PIECE)];
        self.file.seek(SeekFrom::Start(piece.begin))?;
        self.file.read_exact(&mut text)?;
        if (text.len() as u64) < left
            && let Some(at) = memchr::memrchr(b'\n', &text)
        {
            text.truncate(at + 1);
        }
        piece.begin += text.len() as u64;
        self.granted -= text.len() as u64;
        Ok(text)
    }
}

impl Iterator for Texts<'_> {
    type Item = (i64, EventBody);

    fn next(&mut self) -> Option<(i64, EventBody)> {
        loop {
            let Some(mut open) = self.open.take() else {
                let (name, pieces) = self.files.next()?;
                let first = pieces.first().copied();
                match (self.open(name.clone(), pieces), first) {
                    (Ok(open), _) => self.open = Some(open),
                    (Err(e), Some(first)) => {
                        return Some(self.missing(first, 0, format!("the log {name} cannot be read: {e}")));
                    }
                    (Err(_), None) => {}
                }
                continue;
            };
            let Some(mut piece) = open.piece.take().or_else(|| open.pieces.next()) else { continue };
            let left = piece.end.min(open.length).saturating_sub(piece.begin);
            if left == 0 {
                self.open = Some(open);
                continue;
            }
            if open.granted == 0 {
                let why = format!("the log {} is longer than {} MiB", open.name, MOST >> 20);
                self.open = Some(open);
                return Some(self.missing(piece, left, why));
            }
            let whose = piece;
            return Some(match open.read(&mut piece) {
                Ok(text) => {
                    open.piece = Some(piece);
                    self.open = Some(open);
                    let id = self.reference(whose);
                    (
                        self.time(whose),
                        LogText { id, stream: Stream::Log, text: text.into(), level: None }.into(),
                    )
                }
                Err(e) => self.missing(whose, left, format!("the log {} cannot be read on: {e}", open.name)),
            });
        }
    }
}
