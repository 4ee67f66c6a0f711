//! The index's file: made, opened, thrown away.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use oyez_model::JobId;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};

use super::super::pool::Pool;
use super::super::rows;
use super::super::trouble::Trouble;
use super::build::Builder;
use crate::error::StoreError;

/// The folder of the index, in that of the store.
pub const FOLDER: &str = "search";
/// The version of the file's layout, and of what grams are.
const VERSION: u32 = 1;
/// Connections that wait for their next query.
const SPARE: usize = 4;

const TABLES: &str = "
    CREATE TABLE state (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        generation INTEGER NOT NULL,
        backfill INTEGER
    );
    CREATE TABLE job (
        id INTEGER PRIMARY KEY,
        upto INTEGER NOT NULL,
        mark INTEGER NOT NULL,
        pages INTEGER NOT NULL
    );
    CREATE TABLE unread (job INTEGER PRIMARY KEY);
    CREATE TABLE page (
        id INTEGER PRIMARY KEY,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        begin INTEGER NOT NULL,
        end INTEGER NOT NULL,
        levels INTEGER NOT NULL
    );
    CREATE VIRTUAL TABLE gram USING fts5(words, content='', columnsize=0, detail=none, tokenize='ascii');";

/// The index, as one process sees it.
#[derive(Debug)]
pub(in crate::sqlite) struct Index {
    folder: PathBuf,
    vfs: Option<String>,
    /// Connections that read, all of one generation.
    spare: Mutex<(i64, Vec<Connection>)>,
    pub builder: Mutex<Builder>,
    /// Bytes of log that were put into it by this process.
    pub indexed: AtomicU64,
}

/// Why a file is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sqlite) enum Unusable {
    Missing,
    /// It says so itself, or makes no sense.
    Wrong(String),
    /// It cannot be opened now.
    Trouble(StoreError),
}

impl Index {
    pub(in crate::sqlite) fn new(pool: &Pool) -> Self {
        let folder = pool.path().parent().unwrap_or(Path::new("")).join(FOLDER);
        Index {
            folder,
            vfs: pool.vfs().map(str::to_owned),
            spare: Mutex::default(),
            builder: Mutex::default(),
            indexed: AtomicU64::new(0),
        }
    }

    pub(super) fn path(&self, generation: i64) -> PathBuf {
        self.folder.join(format!("{:016x}.db", generation.cast_unsigned()))
    }

    /// Whether the file is behind a file system of tests.
    pub(super) fn reads_elsewhere(&self) -> bool {
        self.vfs.is_some()
    }

    pub(super) fn count(&self, bytes: u64) {
        self.indexed.fetch_add(bytes, Ordering::Relaxed);
    }

    fn connect(&self, path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = match &self.vfs {
            Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs.as_str())?,
            None => Connection::open_with_flags(path, flags)?,
        };
        conn.set_prepared_statement_cache_capacity(32);
        Ok(conn)
    }

    /// A connection that reads the index of this generation; given back by [`Index::put`].
    pub(in crate::sqlite) fn take(&self, generation: i64) -> Result<Connection, Unusable> {
        {
            let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
            if spare.0 != generation {
                *spare = (generation, Vec::new());
            }
            // A file that was removed is not asked for what came after.
            let is_there = self.vfs.is_some() || self.path(generation).exists();
            if let Some(conn) = spare.1.pop().filter(|_| is_there) {
                return Ok(conn);
            }
        }
        self.open(generation, false)
    }

    /// What waits is of use only while its file is the one in force.
    pub(in crate::sqlite) fn put(&self, generation: i64, conn: Connection) {
        if !conn.is_autocommit() && conn.execute_batch("ROLLBACK").is_err() {
            return;
        }
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.0 == generation && spare.1.len() < SPARE {
            spare.1.push(conn);
        }
    }

    /// Opens the file of a generation, and looks whether it is one.
    pub(super) fn open(&self, generation: i64, to_write: bool) -> Result<Connection, Unusable> {
        let path = self.path(generation);
        if self.vfs.is_none() && !path.exists() {
            return Err(Unusable::Missing);
        }
        let trouble = |e: rusqlite::Error| match e.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) | None => {
                Unusable::Wrong(format!("it is damaged: {e}"))
            }
            Some(ErrorCode::Unknown) => Unusable::Wrong(format!("it is damaged: {e}")),
            Some(ErrorCode::CannotOpen) if self.vfs.is_some() => Unusable::Missing,
            _ => Unusable::Trouble(Trouble(&path).of(e)),
        };
        let conn = self.connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).or_else(|e| {
            // A folder that cannot be written may be read.
            let to_read = || self.connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY);
            if to_write { Err(e) } else { to_read() }
        });
        let conn = conn.map_err(trouble)?;
        conn.busy_timeout(Duration::from_millis(if to_write { 0 } else { 2000 })).map_err(trouble)?;
        let version: u32 = conn.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(trouble)?;
        if version != VERSION {
            let why = format!("it has version {version}, and this Oyez makes version {VERSION}");
            return Err(Unusable::Wrong(why));
        }
        let found: Option<i64> = conn
            .query_row("SELECT generation FROM state", [], |row| row.get(0))
            .optional()
            .map_err(trouble)?;
        if found != Some(generation) {
            return Err(Unusable::Wrong("it is that of another store".to_owned()));
        }
        if to_write {
            // Synced at each commit: what the store forgets after it must be there.
            conn.execute_batch("PRAGMA synchronous = FULL; PRAGMA cache_size = -16000").map_err(trouble)?;
        } else {
            conn.execute_batch("PRAGMA query_only = ON").map_err(trouble)?;
        }
        Ok(conn)
    }

    /// Makes the file of a new generation. It does not say yet which jobs it lacks: that comes when it is in force.
    pub(super) fn make(&self, generation: i64) -> Result<(), StoreError> {
        if self.vfs.is_none() {
            use std::os::unix::fs::DirBuilderExt;
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder);
            made.map_err(|e| Trouble(&self.folder).io(&e))?;
        }
        let path = self.path(generation);
        let t = Trouble(&path);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let make = || -> rusqlite::Result<()> {
            let conn = self.connect(&path, flags)?;
            conn.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
            conn.execute_batch(&format!("BEGIN IMMEDIATE; {TABLES}"))?;
            conn.execute("INSERT INTO state (id, generation, backfill) VALUES (1, ?1, NULL)", [generation])?;
            conn.execute_batch(&format!("PRAGMA user_version = {VERSION}; COMMIT"))
        };
        make().map_err(|e| t.of(e)).inspect_err(|_| self.remove(generation))
    }

    /// Removes the file of a generation, as far as it can be.
    pub(in crate::sqlite) fn remove(&self, generation: i64) {
        remove(&self.path(generation));
    }

    /// Removes the files of all other generations, as far as they can be.
    pub(super) fn remove_others(&self, generation: i64) {
        let keep = self.path(generation);
        let Ok(all) = std::fs::read_dir(&self.folder) else { return };
        for file in all.flatten().map(|entry| entry.path()) {
            if file.extension().is_some_and(|end| end == "db") && file != keep {
                remove(&file);
            }
        }
    }
}

fn remove(file: &Path) {
    for end in ["", "-wal", "-shm"] {
        let mut name = file.as_os_str().to_owned();
        name.push(end);
        // What is left over is removed the next time.
        let _ = std::fs::remove_file(name);
    }
}

/// Up to which job the index knows nothing; none when that was not found out yet.
pub(super) fn backfill(conn: &Connection) -> rusqlite::Result<Option<JobId>> {
    let found: Option<i64> =
        conn.prepare_cached("SELECT backfill FROM state")?.query_row([], |row| row.get(0))?;
    Ok(found.map(|n| JobId(n.cast_unsigned())))
}

pub(super) fn set_backfill(conn: &Connection, job: JobId) -> rusqlite::Result<()> {
    conn.prepare_cached("UPDATE state SET backfill = ?1")?.execute([rows::int(job.0)]).map(|_| ())
}

/// How far a job is indexed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reached {
    /// Up to this event.
    pub upto: u64,
    /// What is known of that event.
    pub mark: i64,
    /// How many pages it has had.
    pub pages: i64,
}

pub(super) fn reached(conn: &Connection, job: JobId) -> rusqlite::Result<Reached> {
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Reached { upto: rows::uint(row, 0)?, mark: row.get(1)?, pages: row.get(2)? })
    };
    let mut get = conn.prepare_cached("SELECT upto, mark, pages FROM job WHERE id = ?1")?;
    Ok(get.query_row([rows::int(job.0)], read).optional()?.unwrap_or_default())
}
