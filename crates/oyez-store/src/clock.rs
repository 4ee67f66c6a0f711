//! Time and randomness behind a trait, so that a test can say what time it is and a whole system runs from a seed.

use std::fmt;
use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use oyez_model::{JobUid, ProducerId, Time};

/// Tells the time and gives random bits.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Now.
    fn now(&self) -> Time;
    /// 64 random bits.
    fn random(&self) -> u64;

    /// A new job's identity.
    fn job_uid(&self) -> JobUid {
        let (a, b) = (self.random().to_le_bytes(), self.random().to_le_bytes());
        let random = [a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], b[0], b[1]];
        JobUid::new(u64::try_from(self.now().0 / 1_000_000).unwrap_or(0), random)
    }

    /// A new producer's identity.
    fn producer_id(&self) -> ProducerId {
        ProducerId::from_random(self.random())
    }
}

/// The machine's clock and the system's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Time {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Time(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }

    fn random(&self) -> u64 {
        let mut bytes = [0; 8];
        match std::fs::File::open("/dev/urandom").and_then(|mut f| f.read_exact(&mut bytes)) {
            Ok(()) => u64::from_le_bytes(bytes),
            // Without the device, the standard library's own keyed hasher is the system's randomness.
            Err(_) => {
                use std::hash::{BuildHasher, Hasher};
                std::collections::hash_map::RandomState::new().build_hasher().finish()
            }
        }
    }
}

/// A clock that stands still until it is moved, and numbers instead of randomness: for tests and simulations.
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicU64,
    seed: AtomicU64,
}

impl ManualClock {
    /// A clock that shows `now` and draws from `seed`.
    #[must_use]
    pub fn new(now: Time, seed: u64) -> Self {
        ManualClock { now: AtomicU64::new(now.0.cast_unsigned()), seed: AtomicU64::new(seed) }
    }

    /// Moves it on.
    pub fn advance(&self, nanos: u64) {
        self.now.fetch_add(nanos, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        Time(self.now.load(Ordering::SeqCst).cast_signed())
    }

    fn random(&self) -> u64 {
        // splitmix64's constants and shifts (public domain figures): well spread, the same for the same seed.
        let mut z =
            self.seed.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
