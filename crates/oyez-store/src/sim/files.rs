//! Files as a store sees them: a handful of calls, each of which may fail.

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A folder of files.
pub trait Files: Send + Sync + Debug {
    /// Opens a file; makes it when `create` is set and it is not there.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`], or the device's.
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn File>>;

    /// Takes a file away; those who have it open keep it.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`], or the device's.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Whether a file is there.
    ///
    /// # Errors
    /// The device's.
    fn exists(&self, path: &Path) -> io::Result<bool>;
}

/// An open file.
pub trait File: Send + Sync + Debug {
    /// Reads from a position on, as much as there is; says how much.
    ///
    /// # Errors
    /// The device's.
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize>;

    /// Writes at a position; says how much, which may be less than was asked for.
    ///
    /// # Errors
    /// The device's; [`io::ErrorKind::StorageFull`] when there is no room.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize>;

    /// Makes it `len` bytes long.
    ///
    /// # Errors
    /// The device's.
    fn truncate(&self, len: u64) -> io::Result<()>;

    /// Returns when all that was written before is on the device.
    ///
    /// # Errors
    /// The device's; what was not synced may be lost then, also when a later call succeeds.
    fn sync(&self) -> io::Result<()>;

    /// How long it is.
    ///
    /// # Errors
    /// The device's.
    fn len(&self) -> io::Result<u64>;

    /// Whether nothing is in it.
    ///
    /// # Errors
    /// The device's.
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|len| len == 0)
    }
}
