//! What a peer is answered (`salmon.md` 3.2): a status and at most one line, in which nothing is of the peer's making.

use std::time::Duration;

use super::lookup::Unconfirmed;
use crate::{
    salmon::{EntryFault, EnvelopeFault, EnvelopeFaultClass},
    telemetry::Slapped,
};

/// The answer to a slap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is on disk, or was here before.
    Taken,
    /// It is on disk, and is verified when its author's host can be asked.
    Kept,
    TooLarge,
    /// Of the wrong form, or not for this account.
    Malformed(String),
    /// Not shown to be from its author.
    Unproven(String),
    /// Shown to be from somebody else, or not wanted.
    Forbidden(&'static str),
    Unknown,
    Gone,
    TooMany {
        wait: Duration,
    },
    /// Nothing is wrong with it but the moment.
    Later(&'static str),
}

impl Answer {
    pub(super) const fn counted(&self) -> Slapped {
        match self {
            Self::Taken => Slapped::Taken,
            Self::Kept => Slapped::Kept,
            Self::TooLarge | Self::Malformed(_) => Slapped::Malformed,
            Self::Unproven(_) => Slapped::Unproven,
            Self::Forbidden(_) => Slapped::Forbidden,
            Self::Unknown | Self::Gone => Slapped::Unknown,
            Self::TooMany { .. } => Slapped::TooMany,
            Self::Later(_) => Slapped::Unavailable,
        }
    }

    pub(super) const fn busy() -> Self {
        Self::Later("the relay is busy; try again")
    }
}

impl From<EnvelopeFault> for Answer {
    fn from(fault: EnvelopeFault) -> Self {
        match fault.class() {
            EnvelopeFaultClass::TooLarge => Self::TooLarge,
            EnvelopeFaultClass::Malformed | EnvelopeFaultClass::Doctype | EnvelopeFaultClass::Type => {
                Self::Malformed(fault.to_string())
            }
            EnvelopeFaultClass::Encoding | EnvelopeFaultClass::Algorithm => Self::Unproven(fault.to_string()),
        }
    }
}

impl From<EntryFault> for Answer {
    fn from(fault: EntryFault) -> Self {
        match fault {
            EntryFault::SeveralAuthors => Self::Forbidden("the entry has more than one author"),
            fault => Self::Malformed(fault.to_string()),
        }
    }
}

impl From<Unconfirmed> for Answer {
    /// What may pass is not for an answer yet, as the slap may be kept; this is for whoever cannot wait.
    fn from(unconfirmed: Unconfirmed) -> Self {
        match unconfirmed {
            Unconfirmed::Spoofed => Self::Forbidden("the names in the entry are not all names of its author"),
            Unconfirmed::Nothing => Self::Unproven("the key of the author cannot be found".to_owned()),
            Unconfirmed::Later(_) => Self::Later("the author cannot be looked up at this moment; try again"),
            Unconfirmed::Busy => Self::busy(),
        }
    }
}
