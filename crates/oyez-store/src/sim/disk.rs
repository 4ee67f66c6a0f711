//! Files in memory, with what was synced and what was not kept apart.
//!
//! A write is seen by everybody at once, as in the kernel's cache; what a power cut leaves of it is another matter.
//! Until a sync, each write may be there, may be gone, or may be there in part (in sectors of 512 bytes), whatever
//! became of those before and after it. Files that were made or taken away are so for good with the next sync of any
//! file: SQLite syncs the folder when it makes a log or a journal.
//!
//! A failed sync is said once to each who has the file open then, as Linux does since 4.13: also to those whose own sync
//! comes later and succeeds. Without that a writer would take for kept what another's failed sync has lost.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Seed;
use super::fault::{Call, Fault, Plan};
use super::files::{File, Files};
use super::trace::Trace;

/// The unit in which a device writes whole or not at all.
const SECTOR: u64 = 512;

/// Files in memory. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct SimFiles {
    disk: Arc<Mutex<Disk>>,
}

#[derive(Debug, Default)]
struct Disk {
    nodes: Vec<Node>,
    /// As everybody sees them.
    names: BTreeMap<PathBuf, usize>,
    /// As they are after a power cut, if that is kind.
    synced_names: BTreeMap<PathBuf, usize>,
    plan: Plan,
    /// Who has a file open, by a number of its own, and which.
    handles: BTreeMap<u64, usize>,
    last_handle: u64,
    /// Handles that have not heard yet that a sync of their file failed.
    untold: BTreeSet<u64>,
    trace: Trace,
}

#[derive(Debug, Default)]
struct Node {
    /// As everybody sees it.
    content: Vec<u8>,
    /// As it is on the device.
    synced: Vec<u8>,
    /// What lies between the two, in order.
    changes: Vec<Change>,
}

#[derive(Debug)]
struct Change {
    what: What,
    fate: Fate,
}

#[derive(Debug)]
enum What {
    Write { at: u64, bytes: Vec<u8> },
    Truncate(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The next sync keeps it.
    Open,
    /// A sync kept it, but not one that failed before it: they stay in order.
    Kept,
    /// A sync failed: no later one keeps it.
    Lost,
}

impl What {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            What::Write { at, bytes } => put(to, *at, bytes),
            What::Truncate(len) => to.resize(size(*len), 0),
        }
    }

    /// Applies what a power cut leaves of it.
    fn apply_some(&self, to: &mut Vec<u8>, seed: &mut Seed) {
        match (self, seed.below(3)) {
            (_, 0) => {}
            (_, 1) | (What::Truncate(_), _) => self.apply(to),
            (What::Write { at, bytes }, _) => {
                let mut from = 0;
                while from < bytes.len() {
                    let to_border = SECTOR - (at + from as u64) % SECTOR;
                    let end = (from + size(to_border)).min(bytes.len());
                    if seed.once_in(2) {
                        put(to, at + from as u64, &bytes[from..end]);
                    }
                    from = end;
                }
            }
        }
    }
}

fn size(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn put(to: &mut Vec<u8>, at: u64, bytes: &[u8]) {
    let (at, end) = (size(at), size(at) + bytes.len());
    if to.len() < end {
        to.resize(end, 0);
    }
    to[at..end].copy_from_slice(bytes);
}

impl Node {
    fn change(&mut self, what: What) {
        what.apply(&mut self.content);
        self.changes.push(Change { what, fate: Fate::Open });
    }

    fn sync(&mut self) {
        for change in &mut self.changes {
            if change.fate == Fate::Open {
                change.fate = Fate::Kept;
            }
        }
        // What is lost may still be there after a power cut, before what was kept later: then all stay in order.
        if self.changes.iter().all(|change| change.fate == Fate::Kept) {
            for change in self.changes.drain(..) {
                change.what.apply(&mut self.synced);
            }
        }
    }

    /// How many changes the next sync is about.
    fn open(&self) -> usize {
        self.changes.iter().filter(|change| change.fate == Fate::Open).count()
    }

    fn lose(&mut self) {
        for change in &mut self.changes {
            if change.fate == Fate::Open {
                change.fate = Fate::Lost;
            }
        }
    }

    fn after_power_cut(&self, seed: &mut Seed) -> Node {
        let mut content = self.synced.clone();
        for change in &self.changes {
            match change.fate {
                Fate::Kept => change.what.apply(&mut content),
                Fate::Open | Fate::Lost => change.what.apply_some(&mut content, seed),
            }
        }
        Node::on_device(content)
    }

    fn on_device(content: Vec<u8>) -> Node {
        Node { synced: content.clone(), content, changes: Vec::new() }
    }
}

impl SimFiles {
    /// An empty disk that does not fail.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The `nth` call (from 1) that the fault concerns fails; with `for_good` all after it, too.
    pub fn arm(&self, fault: Fault, nth: u64, for_good: bool) {
        self.lock().plan.arm(fault, nth, for_good);
    }

    /// Nothing fails any more.
    pub fn disarm(&self) {
        self.lock().plan.disarm();
    }

    /// How many calls failed since the fault was armed.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.lock().plan.hits()
    }

    /// How many calls changed something so far.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.lock().plan.changes()
    }

    /// After so many more calls that change something, every call fails: the machine, or the process, is dead.
    pub fn switch_off_after(&self, changes: u64) {
        self.lock().plan.switch_off_after(changes);
    }

    /// Whether it is off.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.lock().plan.is_off()
    }

    /// The disk after a power cut: what was synced, and some of the rest.
    #[must_use]
    pub fn power_cut(&self, seed: &mut Seed) -> SimFiles {
        let disk = self.lock();
        let nodes = disk.nodes.iter().map(|node| node.after_power_cut(seed)).collect();
        let mut names = disk.synced_names.clone();
        for (path, node) in &disk.names {
            if !names.contains_key(path) && seed.once_in(2) {
                names.insert(path.clone(), *node);
            }
        }
        names.retain(|path, _| disk.names.contains_key(path) || seed.once_in(2));
        Self::from_parts(nodes, names)
    }

    /// The disk after the process was killed: all that was written.
    #[must_use]
    pub fn kill(&self) -> SimFiles {
        let disk = self.lock();
        let nodes = disk.nodes.iter().map(|node| Node::on_device(node.content.clone())).collect();
        Self::from_parts(nodes, disk.names.clone())
    }

    fn from_parts(nodes: Vec<Node>, names: BTreeMap<PathBuf, usize>) -> SimFiles {
        let disk = Disk { nodes, synced_names: names.clone(), names, ..Disk::default() };
        SimFiles { disk: Arc::new(Mutex::new(disk)) }
    }

    /// The last changes and syncs, oldest first: who, which file, what.
    #[must_use]
    pub fn trace(&self) -> Vec<String> {
        self.lock().trace.lines()
    }

    /// A file's content, as everybody sees it.
    #[must_use]
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let disk = self.lock();
        disk.names.get(path).map(|node| disk.nodes[*node].content.clone())
    }
}

impl Files for SimFiles {
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn File>> {
        let mut disk = self.lock();
        let node = match disk.names.get(path).copied() {
            Some(node) => {
                disk.plan.meet(Call::Open)?;
                node
            }
            None if create => {
                disk.plan.meet(Call::Create)?;
                let node = disk.nodes.len();
                disk.nodes.push(Node::default());
                disk.names.insert(path.to_owned(), node);
                node
            }
            None => return Err(io::ErrorKind::NotFound.into()),
        };
        disk.last_handle += 1;
        let handle = disk.last_handle;
        disk.handles.insert(handle, node);
        Ok(Arc::new(SimFile { disk: self.disk.clone(), node, handle }))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.lock();
        disk.plan.meet(Call::Remove)?;
        disk.names.remove(path).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        Ok(self.lock().names.contains_key(path))
    }
}

#[derive(Debug)]
struct SimFile {
    disk: Arc<Mutex<Disk>>,
    node: usize,
    handle: u64,
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut disk = self.lock();
        disk.handles.remove(&self.handle);
        disk.untold.remove(&self.handle);
    }
}

impl Disk {
    fn note(&mut self, handle: u64, node: usize, what: impl FnOnce(&Node) -> String) {
        let name = self.names.iter().find(|(_, n)| **n == node).map(|(path, _)| path.as_path());
        self.trace.note(self.plan.changes(), handle, name, || what(&self.nodes[node]));
    }

    /// A sync of this file failed: everybody else who has it open is told at the next sync.
    fn tell_others(&mut self, handle: u64, node: usize) {
        let others = self.handles.iter().filter(|(other, of)| **of == node && **other != handle);
        self.untold.extend(others.map(|(other, _)| *other));
    }
}

impl SimFile {
    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl File for SimFile {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let mut disk = self.lock();
        disk.plan.meet(Call::Read)?;
        let content = &disk.nodes[self.node].content;
        let from = size(at).min(content.len());
        let n = buffer.len().min(content.len() - from);
        buffer[..n].copy_from_slice(&content[from..from + n]);
        Ok(n)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
        let mut disk = self.lock();
        let n = match disk.plan.meet(Call::Write)? {
            Some(Fault::ShortWrite) => bytes.len() / 2,
            _ => bytes.len(),
        };
        disk.note(self.handle, self.node, |_| format!("write of {n} at {at}"));
        disk.nodes[self.node].change(What::Write { at, bytes: bytes[..n].to_vec() });
        Ok(n)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let mut disk = self.lock();
        disk.plan.meet(Call::Truncate)?;
        disk.note(self.handle, self.node, |_| format!("truncated to {len}"));
        disk.nodes[self.node].change(What::Truncate(len));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = self.lock();
        let disk = &mut *disk;
        match disk.plan.meet(Call::Sync)? {
            Some(fault) => {
                disk.note(self.handle, self.node, |node| format!("sync FAILED, {} lost", node.open()));
                disk.nodes[self.node].lose();
                disk.tell_others(self.handle, self.node);
                Err(fault.error())
            }
            None => {
                disk.note(self.handle, self.node, |node| format!("sync of {}", node.open()));
                disk.nodes[self.node].sync();
                disk.synced_names.clone_from(&disk.names);
                if disk.untold.remove(&self.handle) {
                    disk.note(self.handle, self.node, |_| "hears that a sync FAILED".to_owned());
                    return Err(Fault::Sync.error());
                }
                Ok(())
            }
        }
    }

    fn len(&self) -> io::Result<u64> {
        let mut disk = self.lock();
        disk.plan.meet(Call::Len)?;
        Ok(disk.nodes[self.node].content.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(files: &SimFiles) -> Arc<dyn File> {
        files.open(Path::new("/a"), true).unwrap()
    }

    fn outcomes(files: &SimFiles) -> std::collections::BTreeSet<Option<Vec<u8>>> {
        (0..200).map(|n| files.power_cut(&mut Seed::new(n)).content(Path::new("/a"))).collect()
    }

    #[test]
    fn what_was_synced_outlives_a_power_cut_and_what_was_not_may() {
        let files = SimFiles::new();
        let file = open(&files);
        file.write_at(b"one", 0).unwrap();
        assert!(outcomes(&files).contains(&None), "not even its name was synced");
        file.sync().unwrap();
        assert_eq!(outcomes(&files), [Some(b"one".to_vec())].into());
        file.write_at(b"two", 0).unwrap();
        file.write_at(b"three", 3).unwrap();
        let all: Vec<Vec<u8>> = outcomes(&files).into_iter().flatten().collect();
        for expected in [&b"one"[..], b"two", b"onethree", b"twothree"] {
            assert!(all.contains(&expected.to_vec()), "{all:?}");
        }
        assert_eq!(files.kill().content(Path::new("/a")).unwrap(), b"twothree");
    }

    #[test]
    fn a_large_write_is_torn_at_sectors() {
        let files = SimFiles::new();
        let file = open(&files);
        file.write_at(&[0; 2048], 0).unwrap();
        file.sync().unwrap();
        file.write_at(&[1; 1024], 300).unwrap();
        let all: Vec<Vec<u8>> = outcomes(&files).into_iter().flatten().collect();
        assert!(all.len() > 4);
        for content in all {
            assert!(content[512..1024].iter().all(|b| *b == content[512]), "sectors are whole");
            assert!(content[..300].iter().chain(&content[1324..]).all(|b| *b == 0));
        }
    }

    #[test]
    fn what_a_failed_sync_lost_is_not_brought_back_by_the_next() {
        let files = SimFiles::new();
        let file = open(&files);
        file.sync().unwrap();
        file.write_at(b"aa", 0).unwrap();
        files.arm(Fault::Sync, 1, false);
        file.sync().unwrap_err();
        file.write_at(b"bb", 2).unwrap();
        file.sync().unwrap();
        let all: Vec<Vec<u8>> = outcomes(&files).into_iter().flatten().collect();
        assert!(all.contains(&b"\0\0bb".to_vec()) && all.contains(&b"aabb".to_vec()), "{all:?}");
        assert!(all.iter().all(|content| content.ends_with(b"bb")));
    }

    #[test]
    fn everybody_who_had_the_file_open_hears_once_of_a_failed_sync() {
        let files = SimFiles::new();
        let (one, other, gone) = (open(&files), open(&files), open(&files));
        one.write_at(b"a", 0).unwrap();
        files.arm(Fault::Sync, 1, false);
        one.sync().unwrap_err();
        drop(gone);
        let late = open(&files);
        late.sync().unwrap();
        other.sync().unwrap_err();
        other.sync().unwrap();
        one.sync().unwrap();
    }

    #[test]
    fn faults_come_at_the_call_that_was_named() {
        let files = SimFiles::new();
        let file = open(&files);
        files.arm(Fault::NoSpace, 2, false);
        file.write_at(b"a", 0).unwrap();
        assert_eq!(file.write_at(b"b", 1).unwrap_err().kind(), io::ErrorKind::StorageFull);
        file.write_at(b"c", 1).unwrap();
        assert_eq!(files.hits(), 1);
        files.arm(Fault::ShortWrite, 1, false);
        assert_eq!(file.write_at(b"1234", 0).unwrap(), 2);
        assert_eq!(file.write_at(b"34", 2).unwrap_err().kind(), io::ErrorKind::StorageFull);
        file.write_at(b"34", 2).unwrap();
        files.switch_off_after(1);
        file.write_at(b"5", 4).unwrap();
        assert!(file.write_at(b"6", 5).is_err() && file.len().is_err());
        assert_eq!(files.kill().content(Path::new("/a")).unwrap(), b"12345");
    }
}
