//! Identities. Each is a type of its own, so that a number of one kind cannot be taken for another.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use serde::{Serialize, Serializer};
use thiserror::Error;
use uuid::Uuid;

/// Why a text is not an id.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum IdError {
    /// Not a UUID.
    #[error("'{0}' is not a job uid; a uid looks like 0198c0de-7a3b-7c11-9d2e-0123456789ab")]
    Uid(String),
    /// A guid is 1 to 256 characters without control characters.
    #[error("a guid has 1 to 256 characters and no control characters, this one has {0}")]
    Guid(usize),
    /// A blob hash is 64 hexadecimal digits.
    #[error("'{0}' is not a blob hash (64 hexadecimal digits)")]
    Hash(String),
}

/// The identity of a job everywhere: a UUID of version 7, always made by Oyez. The default, all zeros, is no job's.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobUid(Uuid);

impl JobUid {
    /// A uid from the time of its making and 10 random bytes; the caller has the clock and the randomness.
    #[must_use]
    pub fn new(unix_millis: u64, random: [u8; 10]) -> Self {
        JobUid(uuid::Builder::from_unix_timestamp_millis(unix_millis, &random).into_uuid())
    }

    /// The 16 bytes, as they are stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// Back from the 16 stored bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        JobUid(Uuid::from_bytes(bytes))
    }
}

impl fmt::Display for JobUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for JobUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobUid({self})")
    }
}

impl FromStr for JobUid {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Uuid::from_str(text).map(JobUid).map_err(|_| IdError::Uid(text.to_owned()))
    }
}

impl Serialize for JobUid {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<C> Encode<C> for JobUid {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.bytes(self.0.as_bytes())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for JobUid {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let bytes = d.bytes()?;
        Uuid::from_slice(bytes).map(JobUid).map_err(|_| decode::Error::message("a job uid has 16 bytes"))
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Encode, Decode)]
        #[serde(transparent)]
        #[cbor(transparent)]
        pub struct $name(#[n(0)] pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<$inner> for $name {
            fn from(n: $inner) -> Self {
                $name(n)
            }
        }
    };
}

number! {
    /// The number of a job in one store, from 1: what people type and ConTest's clients use.
    JobId, u64
}
number! {
    /// The number of an event in its job's journal, from 1, without gaps; given by the store.
    EventSeq, u64
}
number! {
    /// The number that a producer gives to its own event, from 1, without gaps.
    EventNumber, u64
}
number! {
    /// The n-th run of a job, from 1.
    RunNumber, u32
}
number! {
    /// Who made an event, unique in its job: [`ProducerId::FIRST`] is the one that submitted the job, every other
    /// producer draws a random number from 2^32 up (below 2^63), so that forks and workers ask nobody.
    ProducerId, u64
}

impl ProducerId {
    /// The producer that submitted the job.
    pub const FIRST: ProducerId = ProducerId(1);

    /// A producer's id from 64 random bits.
    #[must_use]
    pub fn from_random(bits: u64) -> Self {
        ProducerId((bits >> 1) | (1 << 32))
    }
}

/// The identity of a node below a job (run, test or section): the producer that made it and that producer's
/// number for it, from 1 and rising. (0, 0) is the job itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Encode, Decode)]
pub struct SectionId {
    /// Who made it.
    #[n(0)]
    pub producer: ProducerId,
    /// That producer's number for it.
    #[n(1)]
    pub number: u64,
}

impl SectionId {
    /// The job itself, the root of its tree.
    pub const ROOT: SectionId = SectionId { producer: ProducerId(0), number: 0 };

    /// The node `number` of `producer`.
    #[must_use]
    pub const fn new(producer: ProducerId, number: u64) -> Self {
        SectionId { producer, number }
    }
}

impl fmt::Display for SectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{}", self.producer.0, self.number)
    }
}

/// A [`SectionId`] as an event says it: without a producer it is the event's own. By default, the job itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SectionRef {
    /// Whose node; `None`: of the producer of this event.
    pub producer: Option<ProducerId>,
    /// That producer's number for it; 0 without a producer is the job itself.
    pub number: u64,
}

impl SectionRef {
    /// The job itself.
    pub const JOB: SectionRef = SectionRef { producer: None, number: 0 };

    /// A node of the event's own producer.
    #[must_use]
    pub const fn own(number: u64) -> Self {
        SectionRef { producer: None, number }
    }

    /// The same node, said by `speaker`.
    #[must_use]
    pub fn of(id: SectionId, speaker: ProducerId) -> Self {
        if id == SectionId::ROOT {
            Self::JOB
        } else if id.producer == speaker {
            Self::own(id.number)
        } else {
            SectionRef { producer: Some(id.producer), number: id.number }
        }
    }

    /// Which node it is, when `speaker` says it.
    #[must_use]
    pub fn resolve(self, speaker: ProducerId) -> SectionId {
        match (self.producer, self.number) {
            (_, 0) => SectionId::ROOT,
            (Some(producer), number) => SectionId { producer, number },
            (None, number) => SectionId { producer: speaker, number },
        }
    }
}

impl Serialize for SectionRef {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self.producer {
            None => s.serialize_u64(self.number),
            Some(p) => s.collect_str(&SectionId::new(p, self.number)),
        }
    }
}

impl<C> Encode<C> for SectionRef {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        match self.producer {
            None => e.u64(self.number)?.ok(),
            Some(p) => e.array(2)?.u64(self.number)?.u64(p.0)?.ok(),
        }
    }
}

impl<'b, C> Decode<'b, C> for SectionRef {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        use minicbor::data::Type;
        match d.datatype()? {
            Type::U8 | Type::U16 | Type::U32 | Type::U64 => Ok(SectionRef::own(d.u64()?)),
            _ => {
                if d.array()? != Some(2) {
                    return Err(decode::Error::message(
                        "a section reference is a number or [number, producer]",
                    ));
                }
                let number = d.u64()?;
                Ok(SectionRef { producer: Some(ProducerId(d.u64()?)), number })
            }
        }
    }
}

/// The caller's correlation text: 1 to 256 characters, no control characters. Not a UUID, never a file name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Encode, Decode)]
#[serde(transparent)]
#[cbor(transparent)]
pub struct Guid(#[n(0)] String);

impl Guid {
    /// The text, if it may be a guid.
    ///
    /// # Errors
    /// [`IdError::Guid`] when it is empty, longer than 256 characters or holds a control character.
    pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
        let text = text.into();
        let n = text.chars().count();
        if n == 0 || n > 256 || text.chars().any(char::is_control) {
            Err(IdError::Guid(n))
        } else {
            Ok(Guid(text))
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The BLAKE3 hash of a blob's bytes: its name in the store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobHash(pub [u8; 32]);

impl fmt::Display for BlobHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for BlobHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobHash({self})")
    }
}

impl FromStr for BlobHash {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let bad = || IdError::Hash(text.to_owned());
        if text.len() != 64 || !text.is_ascii() {
            return Err(bad());
        }
        let mut out = [0; 32];
        for (i, byte) in out.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| bad())?;
        }
        Ok(BlobHash(out))
    }
}

impl Serialize for BlobHash {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<C> Encode<C> for BlobHash {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for BlobHash {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        d.bytes()?.try_into().map(BlobHash).map_err(|_| decode::Error::message("a blob hash has 32 bytes"))
    }
}

/// The same test over time: project, suite path, name and variant. History, retries and diff hang on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct TestKey {
    /// The project of the job; empty when it has none.
    pub project: String,
    /// What stands above the test, outermost first.
    pub suite: Vec<String>,
    /// The test's own name.
    pub name: String,
    /// Parameters that make it another test: platform, browser, board revision.
    pub variant: BTreeMap<String, String>,
}

impl TestKey {
    /// 64 bits that stand for the key in rows and indexes: the same in every store and version.
    ///
    /// It is a chain, project and variant first, then each name from the outside in, so that the fold can go on
    /// from a parent's digest without knowing the whole path.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let seed = Self::seed(&self.project, &self.variant);
        let above = self.suite.iter().fold(seed, |at, name| Self::below(at, name));
        Self::below(above, &self.name)
    }

    /// The digest that a job's chains start from.
    #[must_use]
    pub fn seed(project: &str, variant: &BTreeMap<String, String>) -> u64 {
        let at = mix(FNV_OFFSET, project.as_bytes());
        variant.iter().fold(at, |at, (k, v)| mix(mix(at, k.as_bytes()), v.as_bytes()))
    }

    /// The digest of `name` below a node with the digest `above`.
    #[must_use]
    pub fn below(above: u64, name: &str) -> u64 {
        mix(above, name.as_bytes())
    }
}

// FNV-1a of 64 bits (figures from its public description), each part closed by a byte that no UTF-8 text holds.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

fn mix(at: u64, bytes: &[u8]) -> u64 {
    let step = |h: u64, b: u8| (h ^ u64::from(b)).wrapping_mul(FNV_PRIME);
    step(bytes.iter().fold(at, |h, b| step(h, *b)), 0xff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_resolves_to_the_node_it_was_made_from() {
        let me = ProducerId::from_random(7);
        for id in [SectionId::ROOT, SectionId::new(me, 3), SectionId::new(ProducerId::FIRST, 9)] {
            assert_eq!(SectionRef::of(id, me).resolve(me), id);
        }
    }

    #[test]
    fn a_test_key_digest_depends_on_each_part_and_on_where_parts_end() {
        let key = |suite: &[&str], name: &str| TestKey {
            project: "p".into(),
            suite: suite.iter().map(ToString::to_string).collect(),
            name: name.into(),
            variant: BTreeMap::new(),
        };
        assert_ne!(key(&["ab"], "c").digest(), key(&["a"], "bc").digest());
        assert_ne!(key(&["a", "b"], "c").digest(), key(&["a"], "c").digest());
        let mut other = key(&["a"], "c");
        other.variant.insert("board".into(), "17".into());
        assert_ne!(other.digest(), key(&["a"], "c").digest());
    }

    #[test]
    fn a_guid_is_1_to_256_characters() {
        assert!(Guid::new("").is_err());
        assert!(Guid::new("ä".repeat(256)).is_ok());
        assert!(Guid::new("a".repeat(257)).is_err());
        assert!(Guid::new("a\nb").is_err());
    }
}
