//! What is known about each revision of the specification, as data: the next one is an entry here.

use super::Era;

/// One revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Its name on the wire.
    pub name: &'static str,
    /// Its era.
    pub era: Era,
    /// Elicitation with a form (`elicitation/create`).
    pub elicitation: bool,
    /// Elicitation has a `mode`, and can be done at a URL.
    pub elicitation_by_url: bool,
    /// Sampling may use tools.
    pub sampling_with_tools: bool,
    /// `MCP-Protocol-Version` goes with every request after `initialize`.
    pub version_header: bool,
}

const LEGACY: Revision = Revision {
    name: "",
    era: Era::Legacy,
    elicitation: false,
    elicitation_by_url: false,
    sampling_with_tools: false,
    version_header: false,
};

/// All revisions that we speak, the newest first.
pub const REVISIONS: [Revision; 5] = [
    Revision {
        name: "2026-07-28",
        era: Era::Modern,
        elicitation: true,
        elicitation_by_url: true,
        sampling_with_tools: true,
        version_header: true,
    },
    Revision {
        name: "2025-11-25",
        elicitation: true,
        elicitation_by_url: true,
        sampling_with_tools: true,
        version_header: true,
        ..LEGACY
    },
    Revision { name: "2025-06-18", elicitation: true, version_header: true, ..LEGACY },
    Revision { name: "2025-03-26", ..LEGACY },
    Revision { name: "2024-11-05", ..LEGACY },
];

/// The newest revision of an era.
pub const fn newest(era: Era) -> &'static Revision {
    let mut at = 0;
    while at < REVISIONS.len() {
        if matches!(
            (REVISIONS[at].era, era),
            (Era::Legacy, Era::Legacy) | (Era::Modern, Era::Modern)
        ) {
            return &REVISIONS[at];
        }
        at += 1;
    }
    panic!("both eras have revisions")
}

/// The revision with this name.
pub fn named(name: &str) -> Option<&'static Revision> {
    REVISIONS.iter().find(|revision| revision.name == name)
}

/// The revision that a legacy client gets which asked for `requested`: that one if we know it, else
/// the newest legacy one (2025-11-25, basic/lifecycle, "Version Negotiation").
pub fn negotiated(requested: &str) -> &'static Revision {
    named(requested).filter(|revision| revision.era == Era::Legacy).unwrap_or(newest(Era::Legacy))
}

/// The era of a revision by its name, ours or not: they are named after dates, and the eras follow
/// one another (2026-07-28, basic/versioning, "Terminology"). `None` for names that are no date, and
/// for dates between the eras.
pub fn era_of(name: &str) -> Option<Era> {
    let is_date = name.len() == 10
        && name.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if !is_date {
        return None;
    }
    let modern = REVISIONS.iter().rfind(|revision| revision.era == Era::Modern);
    if modern.is_some_and(|first| name >= first.name) {
        Some(Era::Modern)
    } else {
        (name <= newest(Era::Legacy).name).then_some(Era::Legacy)
    }
}

/// The revision of an era that both sides speak, where `listed` are those of the other side:
/// `preferred` if it is among them, else the newest.
pub fn common<S: AsRef<str>>(
    listed: &[S],
    era: Era,
    preferred: &Revision,
) -> Option<&'static Revision> {
    let common = || {
        REVISIONS.iter().filter(|revision| {
            revision.era == era && listed.iter().any(|name| name.as_ref() == revision.name)
        })
    };
    common().find(|revision| revision.name == preferred.name).or_else(|| common().next())
}

/// Methods of 2026-07-28 whose results carry `ttlMs` and `cacheScope` (server/utilities/caching).
pub const CACHEABLE: [&str; 6] = [
    "server/discover",
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "resources/read",
];

/// Methods of 2026-07-28 that may be answered with `input_required` (basic/patterns/mrtr).
pub const MAY_NEED_INPUT: [&str; 3] = ["tools/call", "prompts/get", "resources/read"];

/// The levels of log messages, from the least important (RFC 5424).
pub const LOG_LEVELS: [&str; 8] =
    ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negotiation() {
        assert_eq!(newest(Era::Modern).name, "2026-07-28");
        assert_eq!(newest(Era::Legacy).name, "2025-11-25");
        for (requested, got) in [
            ("2024-11-05", "2024-11-05"),
            ("2026-07-28", "2025-11-25"),
            ("2024-10-07", "2025-11-25"),
            ("", "2025-11-25"),
        ] {
            assert_eq!(negotiated(requested).name, got);
        }
    }

    #[test]
    fn eras_follow_one_another() {
        for revision in &REVISIONS {
            assert_eq!(era_of(revision.name), Some(revision.era));
        }
        for (name, era) in [
            ("2024-10-07", Some(Era::Legacy)),
            ("2027-01-01", Some(Era::Modern)),
            ("2026-01-01", None),
            ("2026-7-28", None),
            ("DRAFT-2026", None),
            ("2026-07-28x", None),
            ("", None),
        ] {
            assert_eq!(era_of(name), era, "{name}");
        }
    }

    #[test]
    fn the_preferred_one_of_the_common_revisions() {
        let listed = ["2024-11-05", "1900-01-01", "2025-06-18", "2026-07-28"];
        for (era, preferred, chosen) in [
            (Era::Legacy, "2024-11-05", Some("2024-11-05")),
            (Era::Legacy, "2025-03-26", Some("2025-06-18")),
            (Era::Legacy, "2026-07-28", Some("2025-06-18")),
            (Era::Modern, "2026-07-28", Some("2026-07-28")),
        ] {
            let preferred = named(preferred).unwrap();
            assert_eq!(common(&listed, era, preferred).map(|revision| revision.name), chosen);
        }
        assert_eq!(common(&["2027-01-01"], Era::Modern, newest(Era::Modern)), None);
    }
}
