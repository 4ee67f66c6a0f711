//! Where the store is: `--data`, else `OYEZ_DATA`, else the user's data directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use oyez_store::{Durability, SqliteOptions, SqliteStore, StoreError};

use crate::error::CommandError;

/// The options that every command with a store has.
#[derive(Clone, Debug, Default, Args)]
pub struct Place {
    /// The store's folder [default: $OYEZ_DATA, else oyez in the user's data directory]
    #[arg(long, value_name = "DIR", global = true)]
    pub data: Option<PathBuf>,
    /// What an acknowledged event survives: a killed process, or a power cut as well
    #[arg(long, value_name = "WHAT", value_enum, env = "OYEZ_DURABILITY", default_value_t)]
    pub durability: Survives,
}

/// What an acknowledged event survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Survives {
    /// A killed process
    #[default]
    Process,
    /// A power cut
    Power,
}

impl Place {
    /// The folder.
    ///
    /// # Errors
    /// Nothing says where it is.
    pub fn folder(&self) -> Result<PathBuf, CommandError> {
        let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        if let Some(data) = &self.data {
            return Ok(data.clone());
        }
        if let Some(data) = var("OYEZ_DATA") {
            return Ok(data);
        }
        // The XDG base directory rules: a relative path there is to be ignored.
        let home = || var("HOME").map(|home| home.join(".local/share"));
        var("XDG_DATA_HOME")
            .filter(|p| p.is_absolute())
            .or_else(home)
            .map(|data| data.join("oyez"))
            .ok_or_else(|| {
                CommandError::Usage(
                    "no folder for the store: set HOME or OYEZ_DATA, or name one with --data DIR".to_owned(),
                )
            })
    }

    /// The store, to be written.
    ///
    /// # Errors
    /// It cannot be opened, made or written.
    pub fn open(&self) -> Result<Arc<SqliteStore>, CommandError> {
        Ok(self.open_in(&self.folder()?)?)
    }

    /// The same, at a folder that was asked for before.
    ///
    /// # Errors
    /// It cannot be opened, made or written.
    pub fn open_in(&self, folder: &Path) -> Result<Arc<SqliteStore>, StoreError> {
        let durability = match self.durability {
            Survives::Process => Durability::Process,
            Survives::Power => Durability::Power,
        };
        Ok(Arc::new(SqliteStore::open(folder, SqliteOptions { durability, ..SqliteOptions::default() })?))
    }

    /// The store, to be looked at: also one that cannot be written. Nothing is made where there is none.
    ///
    /// # Errors
    /// There is no store there, or it cannot be read.
    pub fn look(&self) -> Result<Arc<SqliteStore>, CommandError> {
        let folder = self.folder()?;
        if folder.is_file() {
            return Err(CommandError::Usage(format!(
                "{} is a file: a store is a folder; --data names another",
                folder.display()
            )));
        }
        if !folder.join(oyez_store::sqlite::FILE).exists() {
            return Err(CommandError::Usage(format!(
                "there is no store in {}: `oyez run` or `oyez exec` makes one, --data names another folder",
                folder.display()
            )));
        }
        match self.open_in(&folder) {
            Err(StoreError::ReadOnly { .. } | StoreError::Full { .. }) => {
                let options = SqliteOptions { read_only: true, ..SqliteOptions::default() };
                Ok(Arc::new(SqliteStore::open(&folder, options)?))
            }
            other => Ok(other?),
        }
    }
}

/// A runtime for commands that mostly wait: two threads.
///
/// # Errors
/// The system gives no threads.
pub fn runtime() -> Result<tokio::runtime::Runtime, CommandError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(CommandError::Runtime)
}
