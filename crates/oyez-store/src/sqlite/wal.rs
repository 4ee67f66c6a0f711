//! Is SQLite's log whole? When a page of it is broken, SQLite takes what stands before and drops the rest without a
//! word: right for a commit that was torn when the power went, wrong for commits that were acked after it.
//!
//! The two are told apart by the chain of checksums. Each frame's checksum continues the one before it, so whatever
//! follows a frame was written after that frame was whole. A broken frame is damage when a commit that ends at it or
//! later is followed by another frame of the chain; when nothing follows its commit it was torn. Left-over frames of
//! transactions that were given up cannot look like that: they have no commit, or nothing follows it.
//!
//! Layout (sqlite.org/fileformat2.html, section 4): a header of 32 bytes, then frames, each a header of 24 bytes
//! (page, size of the file after a commit or 0, two salts, two checksums; all big-endian) and a page.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::trouble::Trouble;
use crate::error::StoreError;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// The magic number; its lowest bit says in which order the checksum reads words.
const MAGIC: u32 = 0x377f_0682;
const FORMAT: u32 = 3_007_000;

/// Where a log is broken although commits follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The first byte of the header or frame that is broken.
    pub at: u64,
    /// Bytes of the log from there on.
    pub rest: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Sum {
    a: u32,
    b: u32,
    big: bool,
}

impl Sum {
    /// `bytes` is a multiple of 8 long.
    fn over(mut self, bytes: &[u8]) -> Sum {
        for pair in bytes.chunks_exact(8) {
            let word = |at: usize| {
                let word = [pair[at], pair[at + 1], pair[at + 2], pair[at + 3]];
                if self.big { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
            };
            self.a = self.a.wrapping_add(word(0)).wrapping_add(self.b);
            self.b = self.b.wrapping_add(word(4)).wrapping_add(self.a);
        }
        self
    }

    fn stored(self, bytes: &[u8]) -> Sum {
        Sum { a: be(bytes, 0), b: be(bytes, 4), big: self.big }
    }
}

fn be(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
}

/// A frame as it stands in the log.
struct Frame {
    bytes: Vec<u8>,
}

impl Frame {
    fn is_commit(&self) -> bool {
        be(&self.bytes, 4) != 0
    }

    fn salts(&self) -> &[u8] {
        &self.bytes[8..16]
    }

    fn stored(&self, like: Sum) -> Sum {
        like.stored(&self.bytes[16..24])
    }

    fn computed(&self, before: Sum) -> Sum {
        before.over(&self.bytes[..8]).over(&self.bytes[FRAME_HEADER..])
    }
}

/// Reads a log of `len` bytes through `read` (buffer, position) and looks for a break with commits behind it.
///
/// # Errors
/// Whatever `read` says.
pub fn find_break(
    len: u64,
    mut read: impl FnMut(&mut [u8], u64) -> io::Result<()>,
) -> io::Result<Option<Broken>> {
    if len < (HEADER + FRAME_HEADER) as u64 {
        return Ok(None);
    }
    let mut header = [0; HEADER];
    read(&mut header, 0)?;
    let start = Sum { a: 0, b: 0, big: be(&header, 0) & 1 == 1 };
    let page = usize::try_from(be(&header, 8)).unwrap_or(0);
    let sound = be(&header, 0) & !1 == MAGIC
        && be(&header, 4) == FORMAT
        && page.is_power_of_two()
        && (512..=65_536).contains(&page)
        && start.over(&header[..24]) == start.stored(&header[24..]);
    if !sound {
        return broken_header(len, &header, &mut read);
    }
    let salts = header[16..24].try_into().unwrap_or_default();
    Log { len, page, salts, read: &mut read, piece: Vec::new(), from: 0 }.find(start.stored(&header[24..]))
}

/// Without its header a log is nothing for SQLite. Its frames tell whether there was something.
fn broken_header(
    len: u64,
    header: &[u8; HEADER],
    read: &mut impl FnMut(&mut [u8], u64) -> io::Result<()>,
) -> io::Result<Option<Broken>> {
    // Of our own page size; one byte of the header is not enough to make it another.
    let page = 4096;
    for big in [false, true] {
        let start = Sum { a: 0, b: 0, big };
        for seed in [start.stored(&header[24..]), start.over(&header[..24])] {
            let mut log = Log { len, page, salts: [0; 8], read, piece: Vec::new(), from: 0 };
            let Some(first) = log.frame(0)? else { return Ok(None) };
            log.salts = first.salts().try_into().unwrap_or_default();
            let chained = first.computed(seed) == first.stored(seed) && first.is_commit();
            if chained || log.has_follower(first.stored(seed), 1)? {
                return Ok(Some(Broken { at: 0, rest: len }));
            }
        }
    }
    Ok(None)
}

/// Frames that are read at once.
const AT_ONCE: u64 = 64;

struct Log<'r, R> {
    len: u64,
    page: usize,
    salts: [u8; 8],
    read: &'r mut R,
    /// What was read last, from this frame on.
    piece: Vec<u8>,
    from: u64,
}

impl<R: FnMut(&mut [u8], u64) -> io::Result<()>> Log<'_, R> {
    fn place(&self, index: u64) -> u64 {
        HEADER as u64 + index * (FRAME_HEADER + self.page) as u64
    }

    /// The frame at an index, when the log is long enough for it to be whole.
    fn frame(&mut self, index: u64) -> io::Result<Option<Frame>> {
        if self.place(index + 1) > self.len {
            return Ok(None);
        }
        let size = FRAME_HEADER + self.page;
        let is_there = |log: &Self| index >= log.from && index - log.from < (log.piece.len() / size) as u64;
        if !is_there(self) {
            // To its end, or as much as is whole.
            let whole = (self.len - HEADER as u64) / size as u64;
            let frames = usize::try_from((whole - index).min(AT_ONCE)).unwrap_or(1);
            self.piece.resize(frames * size, 0);
            self.from = index;
            let place = self.place(index);
            (self.read)(&mut self.piece, place)?;
        }
        let at = usize::try_from(index - self.from).unwrap_or(0) * size;
        Ok(self.piece.get(at..at + size).map(|bytes| Frame { bytes: bytes.to_vec() }))
    }

    fn find(&mut self, seed: Sum) -> io::Result<Option<Broken>> {
        let (mut sum, mut index) = (seed, 0);
        while let Some(frame) = self.frame(index)? {
            let computed = frame.computed(sum);
            if frame.salts() != self.salts || frame.stored(sum) != computed || be(&frame.bytes, 0) == 0 {
                let at = self.place(index);
                let broken = self.is_followed(&frame, computed, index)?;
                return Ok(broken.then_some(Broken { at, rest: self.len - at }));
            }
            (sum, index) = (computed, index + 1);
        }
        Ok(None)
    }

    /// Whether a commit that ends at the broken frame or later has a frame behind it.
    fn is_followed(&mut self, broken: &Frame, computed: Sum, index: u64) -> io::Result<bool> {
        let stored = broken.stored(computed);
        // If its content is broken the next one continues what it says, if its checksum is, what it should say.
        if broken.is_commit()
            && (self.has_follower(stored, index + 1)? || self.has_follower(computed, index + 1)?)
        {
            return Ok(true);
        }
        let mut at = index + 1;
        while let Some(frame) = self.frame(at)? {
            at += 1;
            let ours = frame.salts() == self.salts;
            if ours && frame.is_commit() && self.has_follower(frame.stored(computed), at)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the frame at `index` continues this checksum.
    fn has_follower(&mut self, sum: Sum, index: u64) -> io::Result<bool> {
        let next = self.frame(index)?;
        Ok(next.is_some_and(|next| next.salts() == self.salts && next.computed(sum) == next.stored(sum)))
    }
}

/// The log of the store's file.
pub(super) fn path(store: &Path) -> PathBuf {
    with_suffix(store, "-wal")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Looks at the log of the store's file; nobody else may be writing it.
pub(super) fn look(store: &Path) -> io::Result<Option<Broken>> {
    let log = match File::open(path(store)) {
        Ok(log) => log,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    find_break(log.metadata()?.len(), |buffer, at| log.read_exact_at(buffer, at))
}

/// Keeps a copy of the log beside it, so that opening the store destroys nothing; says where.
pub(super) fn set_aside(store: &Path) -> io::Result<PathBuf> {
    let log = path(store);
    for n in 0_u32.. {
        let suffix = if n == 0 { ".damaged".to_owned() } else { format!(".damaged{n}") };
        let copy = with_suffix(&log, &suffix);
        if !copy.exists() {
            std::fs::copy(&log, &copy)?;
            return Ok(copy);
        }
        // The same once more, or one too many: a store that is damaged each day needs no more evidence.
        if n == 9 || same(&log, &copy)? {
            return Ok(copy);
        }
    }
    Ok(log)
}

/// Gives up what stands behind a break; the caller has set a copy aside.
pub(super) fn cut(store: &Path, broken: &Broken) -> io::Result<()> {
    let log = File::options().write(true).open(path(store))?;
    log.set_len(broken.at)?;
    log.sync_all()
}

fn same(a: &Path, b: &Path) -> io::Result<bool> {
    Ok(std::fs::metadata(a)?.len() == std::fs::metadata(b)?.len() && std::fs::read(a)? == std::fs::read(b)?)
}

/// Looks at the log before SQLite does. A log with a break in it is copied; then opening goes on only where the loss
/// is what was promised: a power cut under [`crate::Durability::Process`].
///
/// # Errors
/// [`StoreError::Damaged`], or what the system says.
pub(super) fn check(store: &Path, power: bool, t: Trouble<'_>) -> Result<(), StoreError> {
    let Some(broken) = look(store).map_err(|e| t.io(&e))? else { return Ok(()) };
    let copy = set_aside(store).map_err(|e| t.io(&e))?;
    if !power && is_older_than_boot(&path(store)) {
        return Ok(());
    }
    Err(damaged(store, &broken, &copy))
}

/// An empty file beside a log with something in it was emptied: SQLite would throw the log away.
pub(super) fn refuse_emptied(store: &Path) -> Result<(), StoreError> {
    let size = |path: &Path| std::fs::metadata(path).map(|meta| meta.len());
    match (size(store), size(&path(store))) {
        (Ok(0), Ok(log)) if log > 0 => Err(StoreError::Damaged {
            what: format!("the store's file {}", store.display()),
            detail: format!(
                "it is empty, and its log {} of {log} bytes is not: put the file back from a copy, or move both away",
                path(store).display()
            ),
        }),
        _ => Ok(()),
    }
}

/// What is wrong, and what can be done.
pub(super) fn damaged(store: &Path, broken: &Broken, copy: &Path) -> StoreError {
    StoreError::Damaged {
        what: format!("the log {}", path(store).display()),
        detail: format!(
            "it is broken at byte {}, and commits follow; a copy is kept as {}; `oyez fsck --rebuild` gives up the {} bytes behind the break",
            broken.at,
            copy.display(),
            broken.rest
        ),
    }
}

/// Whether the machine was started after the file was last written: then pages that were not synced may be lost.
fn is_older_than_boot(path: &Path) -> bool {
    let boot = std::fs::read_to_string("/proc/stat").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("btime "))?;
        Some(std::time::UNIX_EPOCH + std::time::Duration::from_secs(line.trim().parse().ok()?))
    });
    let written = std::fs::metadata(path).and_then(|m| m.modified()).ok();
    matches!((written, boot), (Some(written), Some(boot)) if written < boot)
}
