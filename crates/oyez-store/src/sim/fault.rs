//! Which call fails, and how.

use std::io;

/// A way in which a device fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A write finds no room.
    NoSpace,
    /// Half of a write is written, for the rest there is no room.
    ShortWrite,
    /// A call fails, whatever it is.
    Io,
    /// A sync fails; what it should have kept may be lost, and no later sync brings it back.
    Sync,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 4] = [Fault::NoSpace, Fault::ShortWrite, Fault::Io, Fault::Sync];

    fn concerns(self, call: Call) -> bool {
        match self {
            Fault::NoSpace => matches!(call, Call::Write | Call::Create),
            Fault::ShortWrite => matches!(call, Call::Write),
            Fault::Io => true,
            Fault::Sync => matches!(call, Call::Sync),
        }
    }

    pub(super) fn error(self) -> io::Error {
        match self {
            Fault::NoSpace | Fault::ShortWrite => io::ErrorKind::StorageFull.into(),
            Fault::Io | Fault::Sync => io::Error::other("the device failed, as it was told to"),
        }
    }
}

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Open,
    Create,
    Read,
    Write,
    Truncate,
    Sync,
    Len,
    Remove,
}

impl Call {
    /// Whether it changes what is kept.
    const fn changes(self) -> bool {
        matches!(self, Call::Create | Call::Write | Call::Truncate | Call::Sync | Call::Remove)
    }
}

/// What is going to fail.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Fails at the n-th call that it concerns; for good when the last is set.
    armed: Option<(Fault, u64, bool)>,
    /// Calls that the armed fault concerned so far.
    concerned: u64,
    /// The rest of a short write comes next.
    half_written: bool,
    hits: u64,
    /// Calls that change something, until the power is off.
    until_off: Option<u64>,
    changes: u64,
}

impl Plan {
    pub(super) fn arm(&mut self, fault: Fault, nth: u64, for_good: bool) {
        self.armed = Some((fault, nth, for_good));
        (self.concerned, self.hits) = (0, 0);
    }

    pub(super) fn disarm(&mut self) {
        self.armed = None;
        self.half_written = false;
    }

    pub(super) const fn hits(&self) -> u64 {
        self.hits
    }

    pub(super) const fn changes(&self) -> u64 {
        self.changes
    }

    pub(super) fn switch_off_after(&mut self, changes: u64) {
        self.until_off = Some(self.changes + changes);
    }

    pub(super) fn is_off(&self) -> bool {
        self.until_off.is_some_and(|n| self.changes >= n)
    }

    /// Whether this call fails, and how. Counts it.
    pub(super) fn meet(&mut self, call: Call) -> Result<Option<Fault>, io::Error> {
        if self.is_off() {
            return Err(io::Error::other("the power is off"));
        }
        if call.changes() {
            self.changes += 1;
        }
        if std::mem::take(&mut self.half_written) && call == Call::Write {
            return Err(Fault::ShortWrite.error());
        }
        let Some((fault, nth, for_good)) = self.armed.filter(|(fault, ..)| fault.concerns(call)) else {
            return Ok(None);
        };
        self.concerned += 1;
        if self.concerned < nth || (self.concerned > nth && !for_good) {
            return Ok(None);
        }
        self.hits += 1;
        match fault {
            Fault::ShortWrite => self.half_written = true,
            Fault::Sync => {}
            Fault::NoSpace | Fault::Io => return Err(fault.error()),
        }
        Ok(Some(fault))
    }
}
