//! Severities of `notifications/message` (server/utilities/logging, after RFC 5424).

use serde::{Deserialize, Serialize};

/// A severity, least severe first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names are the specification's and say all there is")]
pub enum LogLevel {
    Debug,
    /// What a session gets that has set no level.
    #[default]
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

#[cfg(test)]
mod tests {
    use super::LogLevel;

    #[test]
    fn levels_are_ordered_and_spelled_as_specified() {
        let names =
            ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];
        let levels =
            names.map(|name| serde_json::from_str::<LogLevel>(&format!("\"{name}\"")).unwrap());
        assert!(levels.is_sorted_by(|a, b| a < b));
        assert!(serde_json::from_str::<LogLevel>("\"loud\"").is_err());
    }
}
