//! Which scopes are asked for (2026-07-28, basic/authorization, "Scope Selection Strategy"; pure).

use super::metadata::ServerMetadata;

const OFFLINE: &str = "offline_access";

/// What the person says, unchanged; else what the challenge asks for; else what the resource's
/// metadata lists; else nothing. Never what the authorization server lists, which is everything it
/// knows. `offline_access` is added where it lists that, and something else is asked for.
pub fn choose(
    given: Option<&str>,
    challenged: Option<&str>,
    of_resource: Option<&[String]>,
    metadata: &ServerMetadata,
) -> Option<String> {
    if let Some(given) = given {
        return Some(given.to_owned());
    }
    let listed = || of_resource.map(|scopes| scopes.join(" "));
    let chosen = challenged.map(str::to_owned).or_else(listed);
    let chosen = chosen.map(|scope| scope.trim().to_owned()).filter(|scope| !scope.is_empty());
    let offers = metadata.scopes_supported.iter().flatten().any(|scope| scope == OFFLINE);
    match chosen {
        Some(chosen) if offers => union(Some(&chosen), Some(OFFLINE)),
        // Alone it would take the place of the server's own default.
        chosen => chosen,
    }
}

/// All scopes of both, each once, in the order of their first mention ("Step-Up Authorization
/// Flow", point 2).
pub fn union(had: Option<&str>, asked: Option<&str>) -> Option<String> {
    let mut all: Vec<&str> = Vec::new();
    for scope in [had, asked].into_iter().flatten().flat_map(str::split_ascii_whitespace) {
        if !all.contains(&scope) {
            all.push(scope);
        }
    }
    (!all.is_empty()).then(|| all.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order() {
        let listed = ["l1".to_owned(), "l2".to_owned()];
        let plain = ServerMetadata {
            scopes_supported: Some(vec!["everything".into()]),
            ..ServerMetadata::default()
        };
        let offline = ServerMetadata {
            scopes_supported: Some(vec!["x".into(), OFFLINE.into()]),
            ..ServerMetadata::default()
        };
        for (given, challenged, listed, metadata, expected) in [
            (Some("g  h"), Some("c"), Some(&listed[..]), &offline, Some("g  h")),
            (None, Some("c d"), Some(&listed[..]), &plain, Some("c d")),
            (None, None, Some(&listed[..]), &plain, Some("l1 l2")),
            (None, None, None, &plain, None),
            (None, Some(" "), Some(&[][..]), &plain, None),
            (None, Some("c"), None, &offline, Some("c offline_access")),
            (None, Some("c offline_access"), None, &offline, Some("c offline_access")),
            (None, Some("c offline_access d"), None, &plain, Some("c offline_access d")),
            (None, None, Some(&listed[..1]), &offline, Some("l1 offline_access")),
            (None, None, None, &offline, None),
            (None, None, Some(&[][..]), &offline, None),
        ] {
            assert_eq!(choose(given, challenged, listed, metadata).as_deref(), expected);
        }
    }

    #[test]
    fn unions() {
        assert_eq!(union(Some("a b"), Some("b c a")).as_deref(), Some("a b c"));
        assert_eq!(union(None, Some("c")).as_deref(), Some("c"));
        assert_eq!(union(Some(""), None), None);
    }
}
