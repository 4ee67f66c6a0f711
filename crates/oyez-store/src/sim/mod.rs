//! Files behind a trait, and a form of them in which everything goes wrong that can go wrong with files.
//!
//! ```text
//!  SqliteStore ──► SQLite ──► vfs (a file system of SQLite's, over any Files) ──► SimFiles
//!       └──► Blobs ──► objects (an object store that fails when told to)              │
//!                                                 faults: short write, no space, I/O error, failed sync
//!                                                 power_cut(seed): what was not synced is there, is gone, or is torn
//!                                                 kill(): all that was written is there
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`files`] | the traits [`Files`] and [`File`] |
//! | [`disk`] | [`SimFiles`]: what was synced and what was not, kept apart |
//! | [`fault`] | which call fails, and how |
//! | [`vfs`] | SQLite on any [`Files`] |
//! | [`objects`] | an object store in memory that fails when told to |
//!
//! Nothing here is in a released binary: it stands behind the feature `testing`.

pub mod disk;
pub mod fault;
pub mod files;
pub mod objects;
mod share;
mod trace;
pub mod vfs;

pub use disk::SimFiles;
pub use fault::Fault;
pub use files::{File, Files};
pub use objects::FaultyObjects;
pub use vfs::Vfs;

/// Random numbers from a seed (splitmix64: public domain figures), the same in each run.
#[derive(Clone, Debug)]
pub struct Seed(u64);

impl Seed {
    /// Numbers that follow from `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Seed(seed)
    }

    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is not 0.
    pub const fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// True once in `n` times, on the average.
    pub const fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}
