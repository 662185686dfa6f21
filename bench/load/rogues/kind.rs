//! The kinds of rogues: on which side of the hub they stand, and what they do. Pure.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

/// Whose requests are answered so: those for a topic, or those to a callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Topic,
    Callback,
}

/// What is done to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Never answers.
    Silence,
    /// An octet a second.
    Drip,
    /// Header after header.
    Headers,
    /// A body without an end.
    Body,
    /// Leads to itself.
    Circle,
    /// Is small, and a hundred megabytes when it is unpacked.
    Bomb,
    /// More than may be fetched.
    Large,
    /// As much as may be fetched, with something new in it each time.
    Heavy,
    /// Hangs up.
    Reset,
    /// Hangs up in the middle of its answer.
    Half,
    /// Takes the connection, and says nothing to whoever wants to speak TLS.
    Stall,
    /// No rogue by itself: a small feed with something new in it each time.
    News,
}

impl Deed {
    /// Of a topic.
    const TOPICS: [Self; 11] = [
        Self::Silence,
        Self::Drip,
        Self::Headers,
        Self::Body,
        Self::Circle,
        Self::Bomb,
        Self::Large,
        Self::Heavy,
        Self::Reset,
        Self::Half,
        Self::Stall,
    ];
    /// Of a callback, whose answers are hardly looked at.
    const CALLBACKS: [Self; 8] = [
        Self::Silence,
        Self::Drip,
        Self::Headers,
        Self::Body,
        Self::Circle,
        Self::Reset,
        Self::Half,
        Self::Stall,
    ];
}

/// As an argument and in a table "topic-silence", for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rogue {
    pub(crate) side: Side,
    pub(crate) deed: Deed,
}

impl Rogue {
    pub(crate) fn all() -> Vec<Self> {
        let of = |side| move |deed| Self { side, deed };
        let topics = Deed::TOPICS.map(of(Side::Topic));
        topics.into_iter().chain(Deed::CALLBACKS.map(of(Side::Callback))).collect()
    }
}

impl fmt::Display for Rogue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&format!("{:?}-{:?}", self.side, self.deed).to_lowercase())
    }
}

impl FromStr for Rogue {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::all().into_iter().find(|rogue| rogue.to_string() == text);
        found.ok_or_else(|| {
            let names: Vec<_> = Self::all().iter().map(Self::to_string).collect();
            format!("they are {}", names.join(", "))
        })
    }
}

impl Serialize for Rogue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
