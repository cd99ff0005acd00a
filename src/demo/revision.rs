//! The protocol revisions that the demo server speaks, and what tells them apart.

/// A revision of MCP that has the Streamable HTTP transport with sessions, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revision {
    /// The first one with Streamable HTTP; knows JSON-RPC batches.
    V2025_03_26,
    /// Adds elicitation, structured results, titles and the version header; drops batches.
    V2025_06_18,
    /// Adds priming events and elicitation modes.
    V2025_11_25,
}

impl Revision {
    /// The newest one, offered to clients that ask for one we do not know.
    pub const LATEST: Self = Self::V2025_11_25;

    /// The date that names the revision.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
        }
    }

    /// The revision of that name, if we speak it.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25]
            .into_iter()
            .find(|revision| revision.name() == name)
    }

    /// The revision to use with a client that proposes `name` (lifecycle, "Version Negotiation").
    pub fn negotiate(name: &str) -> Self {
        Self::from_name(name).unwrap_or(Self::LATEST)
    }

    /// Whether a POST may carry an array of messages.
    pub fn has_batches(self) -> bool {
        self == Self::V2025_03_26
    }

    /// Whether things have a `title` and tools an `outputSchema` and `structuredContent`.
    pub fn has_titles_and_structured_results(self) -> bool {
        self >= Self::V2025_06_18
    }

    /// Whether streams begin with an event that has an id and empty data.
    pub fn has_priming_events(self) -> bool {
        self >= Self::V2025_11_25
    }

    /// Whether an elicitation names its mode and a client which modes it supports.
    pub fn has_elicitation_modes(self) -> bool {
        self >= Self::V2025_11_25
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_revision_is_granted_and_an_unknown_one_gets_the_latest() {
        for name in ["2025-03-26", "2025-06-18", "2025-11-25"] {
            assert_eq!(Revision::negotiate(name).name(), name);
        }
        for name in ["2024-11-05", "2026-07-28", ""] {
            assert_eq!(Revision::from_name(name), None);
            assert_eq!(Revision::negotiate(name), Revision::LATEST);
        }
    }
}
