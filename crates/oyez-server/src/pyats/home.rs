//! The run's folder: the socket, the lock, and the note that says which job it is.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::net::UnixListener;

use super::ServeError;

/// The name of the socket: pyATS's live view looks for it.
pub const SOCKET: &str = "reporter.sock";
/// The name of the note.
pub const NOTE: &str = "oyez.json";
const LOCK: &str = ".oyez.lock";
/// A path of a unix socket is shorter than this (unix(7)).
const LONGEST: usize = 108;

/// What the next server of this folder, and its clients, have to know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The job's uid.
    pub job: String,
    /// The job's number.
    pub number: u64,
    /// The store's folder.
    pub data: PathBuf,
    /// The process that serves.
    pub pid: u32,
    /// The command that starts another server here.
    pub serve: Vec<String>,
    /// The job came to its end: no other server is to be started.
    pub ended: bool,
}

/// A run's folder that this process serves.
#[derive(Debug)]
pub struct Home {
    folder: PathBuf,
    _lock: File,
}

impl Home {
    /// Takes the folder; none when another process serves it.
    ///
    /// # Errors
    /// It cannot be made or locked.
    pub fn take(folder: &Path) -> Result<Option<Home>, ServeError> {
        let trouble = |what, source| ServeError::Folder { what, path: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(|e| trouble("cannot make", e))?;
        let folder = folder.canonicalize().map_err(|e| trouble("cannot find", e))?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join(LOCK))
            .map_err(|e| trouble("cannot lock", e))?;
        match rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Home { folder, _lock: lock })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(e) => Err(trouble("cannot lock", e.into())),
        }
    }

    /// The folder, absolute.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the last server left; none when there was none, or nothing that can be read.
    #[must_use]
    pub fn note(&self) -> Option<Note> {
        serde_json::from_slice(&fs::read(self.folder.join(NOTE)).ok()?).ok()
    }

    /// Leaves a note; it appears whole.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn leave(&self, note: &Note) -> Result<(), ServeError> {
        let trouble =
            |source| ServeError::Folder { what: "cannot write into", path: self.folder.clone(), source };
        let text = serde_json::to_vec(note).map_err(|e| trouble(e.into()))?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder).map_err(trouble)?;
        file.write_all(&text).map_err(trouble)?;
        file.persist(self.folder.join(NOTE)).map_err(|e| trouble(e.error))?;
        Ok(())
    }

    /// Removes the socket where it stands in another folder, because the path was too long.
    pub fn unlink(&self) {
        if let Ok(place) = fs::read_link(self.folder.join(SOCKET)) {
            let _ = fs::remove_file(place);
        }
    }

    /// Listens; only this user can connect.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn listen(&self) -> Result<UnixListener, ServeError> {
        let path = self.folder.join(SOCKET);
        let trouble = |source| ServeError::Folder { what: "cannot listen at", path: path.clone(), source };
        // What a former server's link led to goes with it.
        self.unlink();
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(trouble(e)),
            _ => {}
        }
        // Made under another name and moved when it can be used by its owner alone: nobody finds it open, and nobody
        // finds it before it listens. Where the path is too long for a socket, it stands elsewhere, and a link here.
        let early = self.folder.join(".oyez.sock");
        let _ = fs::remove_file(&early);
        let is_long = early.as_os_str().len().max(path.as_os_str().len()) >= LONGEST;
        let place = match is_long {
            true => std::env::temp_dir().join(format!("oyez-{}.sock", std::process::id())),
            false => early.clone(),
        };
        if is_long {
            let _ = fs::remove_file(&place);
        }
        let listener = UnixListener::bind(&place).map_err(trouble)?;
        fs::set_permissions(&place, fs::Permissions::from_mode(0o600)).map_err(trouble)?;
        if is_long {
            std::os::unix::fs::symlink(&place, &early).map_err(trouble)?;
        }
        fs::rename(&early, &path).map_err(trouble)?;
        Ok(listener)
    }
}
