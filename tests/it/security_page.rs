//! `docs/security.md` promises nothing that no test holds: every test that it names is there, every
//! promise names one, and every limit is a constant.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A file of the repository.
fn text(path: impl AsRef<Path>) -> Option<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).ok()?;
    Some(text.replace("\r\n", "\n"))
}

/// The section below a heading of the second level.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let start = page.find(&format!("\n## {heading}\n")).expect("the heading is there") + 1;
    let end = page[start..].find("\n## ").map_or(page.len(), |end| start + end);
    &page[start..end]
}

/// Number and text of each promise.
fn promises(page: &str) -> Vec<(usize, &str)> {
    let paragraphs = section(page, "Promises").split("\n\n");
    paragraphs
        .filter_map(|paragraph| {
            let (number, rest) = paragraph.trim().strip_prefix("**S")?.split_once(".**")?;
            Some((number.parse().expect("a number"), rest))
        })
        .collect()
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn is_test(name: &&str) -> bool {
    name.contains("::")
}

/// Whether the lines above a function make it a test that is run.
fn has_test(source: &str, function: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    lines.iter().enumerate().any(|(at, line)| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        let named = line.strip_prefix("fn ").and_then(|rest| rest.strip_prefix(function));
        let mut above = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
        named.is_some_and(|rest| rest.starts_with('('))
            && above.any(|line| line.starts_with("#[test") || line.contains("::test"))
    })
}

/// Where a unit test may be: beside the code, in `tests.rs`, or below `tests/`.
fn unit_files(modules: &str) -> Vec<PathBuf> {
    let path = format!("src/{}", modules.replace("::", "/"));
    let beside = path.strip_suffix("/tests").map(|path| format!("{path}.rs"));
    beside.into_iter().chain([format!("{path}.rs")]).map(PathBuf::from).collect()
}

/// Why a test of this name does not exist.
fn missing(name: &str) -> Option<String> {
    let (place, function) = name.rsplit_once("::").expect("a place and a name");
    let no_such = |found: bool| (!found).then(|| format!("{name} is no test"));
    if let Some((_, extension)) = place.rsplit_once('.') {
        let Some(source) = text(place) else { return Some(format!("{place} is not there")) };
        let definition = match extension {
            "rs" => return no_such(has_test(&source, function)),
            "py" => format!("def {function}("),
            "sh" => format!("{function}() {{"),
            _ => return Some(format!("{place} is of an unknown kind")),
        };
        let found = source.lines().any(|line| line.starts_with(&definition));
        return no_such(found && function.starts_with("test_"));
    }
    if format!("::{place}::").contains("::tests::") {
        let sources = unit_files(place).into_iter().filter_map(text);
        return no_such(sources.into_iter().any(|source| has_test(&source, function)));
    }
    // A module in a module is declared there.
    let (mut parent, mut declared) = ("tests/it/main.rs".to_owned(), true);
    let mut path = "tests/it".to_owned();
    for module in place.split("::") {
        let source = text(&parent).unwrap_or_default();
        declared &= source.lines().any(|line| line == format!("mod {module};"));
        path = format!("{path}/{module}");
        parent = format!("{path}.rs");
    }
    no_such(declared && has_test(&text(&parent).unwrap_or_default(), function))
}

fn page() -> String {
    text("docs/security.md").expect("the page is there")
}

#[test]
fn every_promise_has_a_number_and_a_test() {
    let page = page();
    let promises = promises(&page);
    let numbers: Vec<usize> = promises.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>(), "the numbers follow each other");
    assert!(promises.len() > 10, "the promises were not found");
    // None is hidden where it is not looked for.
    let begun = |rest: &&str| rest.starts_with(|c: char| c.is_ascii_digit());
    let all = page.split("**S").skip(1).filter(begun).count();
    assert_eq!(all, promises.len(), "each is a paragraph of its own");
    for (number, promise) in promises {
        assert!(quoted(promise).any(|name| is_test(&name)), "no test holds S{number}");
        let claim = promise.split("Held by").next().unwrap_or_default();
        assert!(claim.trim().len() > 20, "S{number} promises nothing");
    }
}

#[test]
fn every_test_that_is_named_exists() {
    let page = page();
    let wrong: Vec<String> = quoted(&page)
        .filter(is_test)
        // What a name looks like, said by way of example.
        .filter(|name| *name != "::tests::")
        .filter_map(missing)
        .collect();
    assert_eq!(wrong, [""; 0]);
}

/// The value of each limit as the page writes it: bytes where it is written as a shift, times with their unit.
fn limits() -> HashMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/limits");
    let files = fs::read_dir(folder).expect("the limits are there").flatten();
    let source: String = files.filter_map(|file| text(file.path())).collect();
    let definitions = source.split("\npub const ").skip(1).filter_map(|rest| {
        let (name, rest) = rest.split_once(": ")?;
        let (_, value) = rest.split_once(';')?.0.split_once(" = ")?;
        Some((name, value))
    });
    let definitions: HashMap<&str, &str> = definitions.collect();
    assert_eq!(definitions.len(), source.matches("\npub const ").count(), "each was read");
    definitions.iter().map(|(name, value)| (name.to_string(), shown(value, &definitions))).collect()
}

fn shown(value: &str, all: &HashMap<&str, &str>) -> String {
    if let Some(other) = all.get(value) {
        return shown(other, all);
    }
    let in_units = |number: u64, units: &[(u64, &str)]| {
        let fits = |(size, _): &&(u64, &str)| number >= *size && number.is_multiple_of(*size);
        units.iter().find(fits).map(|(size, unit)| format!("{} {unit}", number / size))
    };
    if let Some(rest) = value.strip_prefix("Duration::from_") {
        let (unit, rest) = rest.split_once('(').expect("a call");
        let factor = if unit == "secs" { 1000 } else { 1 };
        let number = factor * calculated(rest.trim_end_matches(')'), all);
        let day = 86_400_000;
        // A single minute is written in seconds.
        let minutes = if number < 120_000 { 1000 } else { 60_000 };
        let units = [
            (day, "d"),
            (3_600_000, "h"),
            (minutes, if minutes == 1000 { "s" } else { "min" }),
            (1000, "s"),
        ];
        return in_units(number, &units).unwrap_or(format!("{number} ms"));
    }
    let number = calculated(value, all);
    let bytes =
        value.contains("<<").then(|| in_units(number, &[(1 << 20, "MiB"), (1 << 10, "KiB")]));
    bytes.flatten().unwrap_or_else(|| {
        let digits = number.to_string();
        let groups = digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group));
        groups.collect::<Vec<_>>().join(",")
    })
}

/// Numbers, names, `*` and `<<`: no limit is made of more.
fn calculated(value: &str, all: &HashMap<&str, &str>) -> u64 {
    let value = value.trim();
    if let Some((one, other)) = value.split_once("<<") {
        return calculated(one, all) << calculated(other, all);
    }
    if let Some((one, other)) = value.split_once('*') {
        return calculated(one, all) * calculated(other, all);
    }
    match all.get(value) {
        Some(other) => calculated(other, all),
        None => value.replace('_', "").parse().unwrap_or_else(|_| panic!("{value}")),
    }
}

#[test]
fn every_limit_is_on_the_page_with_its_figure() {
    let page = page();
    let section = section(&page, "Limits of foreign input");
    let limits = limits();
    let mut named = Vec::new();
    let mut wrong = Vec::new();
    // A name, and what follows it up to the next mark.
    let parts: Vec<&str> = section.split('`').collect();
    for part in parts[1..].chunks(2) {
        let [name, after] = part else { continue };
        if name.contains("::")
            || !name.chars().all(|c| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit())
        {
            continue;
        }
        let figure = after.split([',', '|']).next().unwrap_or_default().trim();
        let figure = match after.trim_start().split_once([' ', '|']) {
            // Thousands have commas of their own.
            Some((number, _)) if number.trim_end_matches(',').contains(',') => {
                number.trim_end_matches(',')
            }
            _ => figure,
        };
        match limits.get(*name) {
            Some(limit) if limit == figure => {}
            limit => wrong.push(format!("{name} is {limit:?}, not {figure:?}")),
        }
        named.push((*name).to_owned());
    }
    assert_eq!(wrong, [""; 0]);
    named.sort();
    let mut all: Vec<String> = limits.into_keys().collect();
    all.sort();
    assert!(all.len() > 200, "the limits were not found");
    assert_eq!(named, all, "each once");
}

/// What stands on the page of a limit has a test; what is not foreign needs none.
#[test]
fn every_limit_of_foreign_input_names_a_test() {
    let page = page();
    let section = section(&page, "Limits of foreign input");
    let (foreign, _) = section.split_once("\nBesides, ").expect("the second table");
    let rows =
        foreign.lines().filter(|line| line.starts_with("| ") && !line.contains("---")).skip(1);
    let without: Vec<&str> =
        rows.clone().filter(|row| !quoted(row).any(|name| is_test(&name))).collect();
    assert!(rows.count() > 40, "the table was not found");
    assert_eq!(without, [""; 0]);
}

#[test]
fn what_is_no_test_is_noticed() {
    for wrong in [
        "sign_in_callback::no_such_test",
        "no_such_file::a_wrong_state_changes_nothing",
        // A helper.
        "sign_in_callback::with",
        "hostile_suite::urls::no_such_test",
        "hostile_suite::no_such_file::location",
        "urls::location",
        "secret::tests::no_such_test",
        "secret::tests::neutralise",
        "tests/interop/test_trace.py::test_nothing",
        "tests/interop/test_trace.py::run",
        "tests/interop/absent.py::test_by_keyboard",
        "tests/install/test.sh::check",
    ] {
        assert!(missing(wrong).is_some(), "{wrong}");
    }
}
