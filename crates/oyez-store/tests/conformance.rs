//! Both forms of store keep the same rules.

#![expect(clippy::unwrap_used, reason = "these are tests: a panic is their report")]

use std::sync::Arc;

use oyez_store::clock::Clock;
use oyez_store::conformance::Form;
use oyez_store::{Durability, MemoryStore, SqliteOptions, SqliteStore, Store};
use tempfile::TempDir;

struct InMemory;

impl InMemory {
    fn new() -> Self {
        InMemory
    }
}

impl Form for InMemory {
    fn open(&self, clock: Arc<dyn Clock>) -> Arc<dyn Store> {
        Arc::new(MemoryStore::with_clock(clock))
    }

    fn is_lasting(&self) -> bool {
        false
    }
}

struct InSqlite {
    folder: TempDir,
    durability: Durability,
}

impl InSqlite {
    fn killable() -> Self {
        InSqlite { folder: TempDir::new().unwrap(), durability: Durability::Process }
    }

    fn power_safe() -> Self {
        InSqlite { folder: TempDir::new().unwrap(), durability: Durability::Power }
    }
}

impl Form for InSqlite {
    fn open(&self, clock: Arc<dyn Clock>) -> Arc<dyn Store> {
        let options = SqliteOptions { clock, durability: self.durability, ..SqliteOptions::default() };
        Arc::new(SqliteStore::open(self.folder.path(), options).unwrap())
    }

    fn is_lasting(&self) -> bool {
        true
    }
}

mod memory {
    oyez_store::conformance_suite!(super::InMemory::new);
}

mod sqlite {
    oyez_store::conformance_suite!(super::InSqlite::killable);
}

mod sqlite_power {
    oyez_store::conformance_suite!(super::InSqlite::power_safe);
}
