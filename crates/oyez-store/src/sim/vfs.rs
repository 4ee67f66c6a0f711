//! SQLite on any [`Files`]: a file system of SQLite's own kind (sqlite.org/c3ref/vfs.html), registered under a name.
//!
//! Positions, lengths and errors are translated here and nowhere else. Locks and the shared memory of the log's index
//! live in this process ([`super::share`]), so that several connections work as they do on a real disk.

#![expect(
    unsafe_code,
    reason = "SQLite's file systems are C structs of function pointers; there is no safe way in"
)]

use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_void};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rusqlite::ffi;

use super::files::{File, Files};
use super::share::{Busy, Holds, Level, Shared};

/// A file system of SQLite's on top of [`Files`]; SQLite does not know its name any more when this is dropped.
///
/// Drop it after the last connection that uses it.
#[derive(Debug)]
pub struct Vfs {
    name: CString,
    raw: *mut ffi::sqlite3_vfs,
    data: &'static Data,
}

// SAFETY: the struct behind `raw` is never changed after it was registered but by SQLite under its own lock.
unsafe impl Send for Vfs {}
// SAFETY: as above.
unsafe impl Sync for Vfs {}

/// What a file system of ours knows; SQLite carries a pointer to it.
#[derive(Debug)]
struct Data {
    files: Mutex<Option<Arc<dyn Files>>>,
    shared: Mutex<HashMap<PathBuf, Weak<Shared>>>,
    temporary: AtomicU64,
}

/// An open file as SQLite sees it: its own head, then ours.
#[repr(C)]
struct Handle {
    head: ffi::sqlite3_file,
    open: *mut Open,
}

struct Open {
    file: Arc<dyn File>,
    shared: Arc<Shared>,
    holds: Holds,
    /// Taken away when it is closed.
    temporary: Option<(Arc<dyn Files>, PathBuf)>,
}

impl Vfs {
    /// Makes `files` known to SQLite under a name that nobody else has.
    ///
    /// # Errors
    /// SQLite does not take it.
    pub fn register(files: Arc<dyn Files>) -> io::Result<Vfs> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = CString::new(format!("oyez-sim-{}", NUMBER.fetch_add(1, Ordering::Relaxed)))?;
        let data =
            Data { files: Mutex::new(Some(files)), shared: Mutex::default(), temporary: AtomicU64::new(0) };
        // These few hundred bytes stay for the life of the process: a connection that is closed late may look at them.
        let data: &'static Data = Box::leak(Box::new(data));
        let raw = Box::into_raw(Box::new(ffi::sqlite3_vfs {
            iVersion: 2,
            szOsFile: const { size_of::<Handle>().cast_signed() as c_int },
            mxPathname: 512,
            pNext: std::ptr::null_mut(),
            zName: name.clone().into_raw(),
            pAppData: std::ptr::from_ref(data).cast_mut().cast(),
            xOpen: Some(open),
            xDelete: Some(delete),
            xAccess: Some(access),
            xFullPathname: Some(full_path),
            xDlOpen: None,
            xDlError: None,
            xDlSym: None,
            xDlClose: None,
            xRandomness: Some(randomness),
            xSleep: Some(sleep),
            xCurrentTime: Some(current_time),
            xGetLastError: Some(last_error),
            xCurrentTimeInt64: Some(current_time_millis),
            xSetSystemCall: None,
            xGetSystemCall: None,
            xNextSystemCall: None,
        }));
        // SAFETY: `raw` points to a whole sqlite3_vfs that is never freed.
        match unsafe { ffi::sqlite3_vfs_register(raw, 0) } {
            ffi::SQLITE_OK => Ok(Vfs { name, raw, data }),
            code => Err(io::Error::other(format!("SQLite does not take the file system: {code}"))),
        }
    }

    /// Its name, for [`crate::SqliteOptions::vfs`].
    #[must_use]
    pub fn name(&self) -> String {
        self.name.to_string_lossy().into_owned()
    }
}

impl Drop for Vfs {
    fn drop(&mut self) {
        // SAFETY: it was registered, and is not freed.
        unsafe { ffi::sqlite3_vfs_unregister(self.raw) };
        *self.data.files.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Data {
    fn files(&self) -> Option<Arc<dyn Files>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What all who have this path open share.
    fn shared(&self, path: &Path) -> Arc<Shared> {
        let mut all = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = all.get(path).and_then(Weak::upgrade) {
            return shared;
        }
        let shared = Arc::new(Shared::default());
        all.insert(path.to_owned(), Arc::downgrade(&shared));
        shared
    }
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// # Safety
/// `vfs` is one of ours: SQLite calls our functions with nothing else.
unsafe fn data<'a>(vfs: *mut ffi::sqlite3_vfs) -> &'a Data {
    // SAFETY: `pAppData` was made from a `&'static Data`.
    unsafe { &*(*vfs).pAppData.cast::<Data>() }
}

/// # Safety
/// `name` is a C string, as SQLite promises.
unsafe fn path<'a>(name: *const c_char) -> &'a Path {
    // SAFETY: the caller's promise.
    Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(name) }.to_bytes()))
}

/// # Safety
/// `file` was opened by [`open`] and is used by one thread at a time, as SQLite promises of a connection's files.
unsafe fn opened<'a>(file: *mut ffi::sqlite3_file) -> &'a mut Open {
    // SAFETY: `open` has put a boxed `Open` there, which lives until `close`.
    unsafe { &mut *(*file.cast::<Handle>()).open }
}

fn is_full(e: &io::Error) -> bool {
    e.kind() == io::ErrorKind::StorageFull
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite hands in our own vfs, a name or null, `szOsFile` bytes for the file, a place for flags or null.
    unsafe {
        (*file).pMethods = std::ptr::null();
        let data = data(vfs);
        let Some(files) = data.files() else { return ffi::SQLITE_CANTOPEN };
        let (path, temporary) = match name.is_null() {
            true => {
                let n = data.temporary.fetch_add(1, Ordering::Relaxed);
                let path = PathBuf::from(format!("/temporary/{n}"));
                (path.clone(), Some((files.clone(), path)))
            }
            false => (path(name).to_owned(), None),
        };
        let create = flags & ffi::SQLITE_OPEN_CREATE != 0 || temporary.is_some();
        let opened = match files.open(&path, create) {
            Ok(file) => file,
            Err(e) if is_full(&e) => return ffi::SQLITE_FULL,
            Err(_) => return ffi::SQLITE_CANTOPEN,
        };
        let shared = data.shared(&path);
        let open = Open { file: opened, shared, holds: Holds::default(), temporary };
        (*file.cast::<Handle>()).open = Box::into_raw(Box::new(open));
        (*file).pMethods = &raw const METHODS;
        if !out_flags.is_null() {
            *out_flags = flags;
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: each file is closed once.
    let mut open = unsafe { Box::from_raw((*file.cast::<Handle>()).open) };
    open.shared.unmap(&mut open.holds);
    open.shared.lower(&mut open.holds, Level::None);
    if let Some((files, path)) = open.temporary {
        // Nobody misses it.
        let _ = files.remove(&path);
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, to: *mut c_void, n: c_int, at: i64) -> c_int {
    // SAFETY: SQLite gives a buffer of `n` bytes.
    let (open, buffer) =
        unsafe { (opened(file), std::slice::from_raw_parts_mut(to.cast::<u8>(), n.unsigned_abs() as usize)) };
    match open.file.read_at(buffer, at.unsigned_abs()) {
        Ok(got) if got == buffer.len() => ffi::SQLITE_OK,
        Ok(got) => {
            buffer[got..].fill(0);
            ffi::SQLITE_IOERR_SHORT_READ
        }
        Err(_) => ffi::SQLITE_IOERR_READ,
    }
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, from: *const c_void, n: c_int, at: i64) -> c_int {
    // SAFETY: SQLite gives `n` bytes.
    let (open, bytes) =
        unsafe { (opened(file), std::slice::from_raw_parts(from.cast::<u8>(), n.unsigned_abs() as usize)) };
    let mut done = 0;
    while done < bytes.len() {
        match open.file.write_at(&bytes[done..], at.unsigned_abs() + done as u64) {
            Ok(0) => return ffi::SQLITE_FULL,
            Ok(n) => done += n,
            Err(e) if is_full(&e) => return ffi::SQLITE_FULL,
            Err(_) => return ffi::SQLITE_IOERR_WRITE,
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, len: i64) -> c_int {
    // SAFETY: SQLite hands in a file that `open` made.
    match unsafe { opened(file) }.file.truncate(len.unsigned_abs()) {
        Ok(()) => ffi::SQLITE_OK,
        Err(_) => ffi::SQLITE_IOERR_TRUNCATE,
    }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: SQLite hands in a file that `open` made.
    match unsafe { opened(file) }.file.sync() {
        Ok(()) => ffi::SQLITE_OK,
        Err(_) => ffi::SQLITE_IOERR_FSYNC,
    }
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    // SAFETY: SQLite hands in a file that `open` made.
    match unsafe { opened(file) }.file.len() {
        Ok(len) => {
            // SAFETY: SQLite gives a place for the size.
            unsafe { *size = len.cast_signed() };
            ffi::SQLITE_OK
        }
        Err(_) => ffi::SQLITE_IOERR_FSTAT,
    }
}

fn level(code: c_int) -> Level {
    match code {
        ffi::SQLITE_LOCK_NONE => Level::None,
        ffi::SQLITE_LOCK_SHARED => Level::Shared,
        ffi::SQLITE_LOCK_RESERVED => Level::Reserved,
        ffi::SQLITE_LOCK_PENDING => Level::Pending,
        _ => Level::Exclusive,
    }
}

fn answer(got: Result<(), Busy>) -> c_int {
    if got.is_ok() { ffi::SQLITE_OK } else { ffi::SQLITE_BUSY }
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, to: c_int) -> c_int {
    // SAFETY: SQLite hands in a file that `open` made.
    let open = unsafe { opened(file) };
    answer(open.shared.raise(&mut open.holds, level(to)))
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, to: c_int) -> c_int {
    // SAFETY: SQLite hands in a file that `open` made.
    let open = unsafe { opened(file) };
    open.shared.lower(&mut open.holds, level(to));
    ffi::SQLITE_OK
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: SQLite hands in a file that `open` made, and a place for the answer.
    unsafe { *out = c_int::from(opened(file).shared.is_reserved()) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_control(_: *mut ffi::sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_: *mut ffi::sqlite3_file) -> c_int {
    512
}

/// As on Linux: what lies beside a write is safe when the power goes.
unsafe extern "C" fn characteristics(_: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    bytes: c_int,
    make: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: SQLite hands in a file that `open` made, and a place for the pointer. The memory is made of atomics, and
    // stays where it is until the last connection has given it back.
    unsafe {
        let open = opened(file);
        let (region, bytes) = (region.unsigned_abs() as usize, bytes.unsigned_abs() as usize);
        *out = open.shared.map(&mut open.holds, region, bytes, make != 0).cast_mut().cast();
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn shm_lock(file: *mut ffi::sqlite3_file, first: c_int, n: c_int, flags: c_int) -> c_int {
    // SAFETY: SQLite hands in a file that `open` made.
    let open = unsafe { opened(file) };
    let (first, n) = (first.unsigned_abs() as usize, n.unsigned_abs() as usize);
    if flags & ffi::SQLITE_SHM_UNLOCK != 0 {
        open.shared.unlock_slots(&mut open.holds, first, n);
        ffi::SQLITE_OK
    } else if flags & ffi::SQLITE_SHM_SHARED != 0 {
        answer(open.shared.share_slot(&mut open.holds, first))
    } else {
        answer(open.shared.own_slots(&mut open.holds, first, n))
    }
}

unsafe extern "C" fn shm_barrier(_: *mut ffi::sqlite3_file) {
    fence(Ordering::SeqCst);
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, _delete: c_int) -> c_int {
    // SAFETY: SQLite hands in a file that `open` made.
    let open = unsafe { opened(file) };
    open.shared.unmap(&mut open.holds);
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, _sync: c_int) -> c_int {
    // SAFETY: SQLite hands in our own vfs and a name.
    let (data, path) = unsafe { (data(vfs), path(name)) };
    match data.files().map(|files| files.remove(path)) {
        Some(Ok(())) => ffi::SQLITE_OK,
        Some(Err(e)) if e.kind() == io::ErrorKind::NotFound => ffi::SQLITE_IOERR_DELETE_NOENT,
        _ => ffi::SQLITE_IOERR_DELETE,
    }
}

unsafe extern "C" fn access(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    _flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite hands in our own vfs, a name, and a place for the answer.
    unsafe {
        let there = data(vfs).files().is_some_and(|files| files.exists(path(name)).unwrap_or(false));
        *out = c_int::from(there);
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn full_path(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    room: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: SQLite gives a name and `room` bytes.
    unsafe {
        let bytes = CStr::from_ptr(name).to_bytes_with_nul();
        if bytes.len() > room.unsigned_abs() as usize {
            return ffi::SQLITE_CANTOPEN;
        }
        std::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), out, bytes.len());
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn randomness(_: *mut ffi::sqlite3_vfs, n: c_int, out: *mut c_char) -> c_int {
    // SAFETY: SQLite gives `n` bytes.
    let out = unsafe { std::slice::from_raw_parts_mut(out.cast::<u8>(), n.unsigned_abs() as usize) };
    let mut seed = super::Seed::new(out.len() as u64);
    out.fill_with(|| seed.next() as u8);
    n
}

unsafe extern "C" fn sleep(_: *mut ffi::sqlite3_vfs, micros: c_int) -> c_int {
    std::thread::sleep(std::time::Duration::from_micros(u64::from(micros.unsigned_abs())));
    micros
}

/// The day of [`crate::conformance::events::BEGIN`] as a Julian day number in milliseconds.
const DAY_MILLIS: i64 = 212_661_996_800_000;

unsafe extern "C" fn current_time(_: *mut ffi::sqlite3_vfs, out: *mut f64) -> c_int {
    // SAFETY: SQLite gives a place for the time.
    unsafe { *out = DAY_MILLIS as f64 / 86_400_000.0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn current_time_millis(_: *mut ffi::sqlite3_vfs, out: *mut i64) -> c_int {
    // SAFETY: SQLite gives a place for the time.
    unsafe { *out = DAY_MILLIS };
    ffi::SQLITE_OK
}

unsafe extern "C" fn last_error(_: *mut ffi::sqlite3_vfs, _: c_int, _: *mut c_char) -> c_int {
    0
}
