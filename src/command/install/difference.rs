//! The difference of two texts, as `diff -u` shows it.
//!
//! Myers' greedy algorithm on lines. Files differ in an entry or a few; where the difference is beyond all
//! measure the whole middle is shown as another.

use std::fmt::Write as _;
use std::ops::Range;

use crate::limits::MAX_LINES_APART;

/// Lines around a change.
const CONTEXT: usize = 3;

/// The unified difference; empty if there is none.
pub(super) fn unified(before: &str, after: &str, old: &str, new: &str) -> String {
    let (a, b) = (lines(before), lines(after));
    let changes = changes(&a, &b);
    if changes.is_empty() {
        return String::new();
    }
    let mut out = format!("--- {old}\n+++ {new}\n");
    let mut rest = &changes[..];
    while let Some(first) = rest.first() {
        let near = |pair: &[Change]| pair[1].old.start - pair[0].old.end <= 2 * CONTEXT;
        let count = rest.windows(2).take_while(|pair| near(pair)).count() + 1;
        let (hunk, behind) = rest.split_at(count);
        rest = behind;
        let last = &hunk[count - 1];
        let above = CONTEXT.min(first.old.start);
        let below = CONTEXT.min(a.len() - last.old.end);
        let old = first.old.start - above..last.old.end + below;
        let new = first.new.start - above..last.new.end + below;
        // Writing to a String does not fail.
        let _ = writeln!(out, "@@ -{} +{} @@", place(&old), place(&new));
        let mut at = old.start;
        for change in hunk {
            a[at..change.old.start].iter().for_each(|line| put(&mut out, ' ', line));
            a[change.old.clone()].iter().for_each(|line| put(&mut out, '-', line));
            b[change.new.clone()].iter().for_each(|line| put(&mut out, '+', line));
            at = change.old.end;
        }
        a[at..old.end].iter().for_each(|line| put(&mut out, ' ', line));
    }
    out
}

/// Lines with their ends.
fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

fn put(out: &mut String, mark: char, line: &str) {
    out.push(mark);
    out.push_str(line.trim_end_matches(['\n', '\r']));
    out.push('\n');
    if !line.ends_with('\n') {
        out.push_str("\\ No newline at end of file\n");
    }
}

/// Where a hunk is, from 1; in front of it, if it is empty.
fn place(range: &Range<usize>) -> String {
    match range.len() {
        0 => format!("{},0", range.start),
        1 => format!("{}", range.start + 1),
        len => format!("{},{len}", range.start + 1),
    }
}

/// Lines that are others.
#[derive(Debug, PartialEq, Eq)]
struct Change {
    old: Range<usize>,
    new: Range<usize>,
}

fn changes(a: &[&str], b: &[&str]) -> Vec<Change> {
    let common = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (x, y) = (&a[common..], &b[common..]);
    let end = x.iter().rev().zip(y.iter().rev()).take_while(|(x, y)| x == y).count();
    let (x, y) = (&x[..x.len() - end], &y[..y.len() - end]);
    let mut found = Vec::new();
    let mut add = |old: Range<usize>, new: Range<usize>| {
        if !old.is_empty() || !new.is_empty() {
            let shift = |range: Range<usize>| range.start + common..range.end + common;
            found.push(Change { old: shift(old), new: shift(new) });
        }
    };
    let Some(same) = matches(x, y) else {
        add(0..x.len(), 0..y.len());
        return found;
    };
    let (mut i, mut j) = (0, 0);
    for (n, m) in same.into_iter().chain([(x.len(), y.len())]) {
        add(i..n, j..m);
        (i, j) = (n + 1, m + 1);
    }
    found
}

/// Pairs of equal lines, in order, as many as there can be. `None` if there are too many others.
fn matches(a: &[&str], b: &[&str]) -> Option<Vec<(usize, usize)>> {
    // In signs, because diagonals have both; lengths are far below.
    let (n, m) = (isize::try_from(a.len()).ok()?, isize::try_from(b.len()).ok()?);
    let most = isize::try_from(MAX_LINES_APART).ok()?.min(n + m);
    // How far each diagonal gets, by the number of edits: -d..=d.
    let mut rounds: Vec<Vec<isize>> = Vec::new();
    let equal = |i: isize, j: isize| {
        (0..n).contains(&i) && (0..m).contains(&j) && a[i.unsigned_abs()] == b[j.unsigned_abs()]
    };
    for d in 0..=most {
        let mut row = vec![-1; usize::try_from(2 * d + 1).ok()?];
        for k in (-d..=d).step_by(2) {
            let (mut i, _) = reach(&rounds, d, k);
            while equal(i, i - k) {
                i += 1;
            }
            row[usize::try_from(k + d).ok()?] = i;
            if i >= n && i - k >= m {
                rounds.push(row);
                return Some(back(&rounds, n, m));
            }
        }
        rounds.push(row);
    }
    None
}

/// Where a round begins on a diagonal, and the diagonal that it comes from.
fn reach(rounds: &[Vec<isize>], d: isize, k: isize) -> (isize, isize) {
    let before = usize::try_from(d - 1).ok().and_then(|d| rounds.get(d));
    let at = |k: isize| {
        let index = usize::try_from(k + d - 1).ok()?;
        before?.get(index).copied()
    };
    match (at(k - 1), at(k + 1)) {
        _ if d == 0 => (0, 0),
        (Some(left), Some(right)) if left < right => (right, k + 1),
        (None, Some(right)) => (right, k + 1),
        (Some(left), _) => (left + 1, k - 1),
        (None, None) => (0, 0),
    }
}

/// From the end back to the beginning.
fn back(rounds: &[Vec<isize>], n: isize, m: isize) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let (mut i, mut k) = (n, n - m);
    for d in (0..rounds.len()).rev() {
        let (start, before) = reach(&rounds[..d], d.cast_signed(), k);
        while i > start {
            i -= 1;
            found.push((i.unsigned_abs(), (i - k).unsigned_abs()));
        }
        if d > 0 {
            // One line of either: to the right it was one of `a`.
            i = if before == k - 1 { start - 1 } else { start };
            k = before;
        }
    }
    found.reverse();
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn as_diff_shows_it() {
        let before = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n";
        let after = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n10\n11\n13\n14";
        let expected = "\
--- a
+++ b
@@ -2,12 +2,12 @@
 2
 3
 4
-5
+five
 6
 7
 8
 9
 10
 11
-12
 13
+14
\\ No newline at end of file
";
        assert_eq!(unified(before, after, "a", "b"), expected);
        assert_eq!(unified(before, before, "a", "b"), "");
        assert_eq!(unified("", "x\n", "a", "b"), "--- a\n+++ b\n@@ -0,0 +1 @@\n+x\n");
        let far = format!("0\n{before}");
        let text = unified(&far, &far.replace("0\n1\n", "1\n").replace("13\n", "z\n"), "a", "b");
        assert_eq!(text.matches("@@ -").count(), 2, "{text}");
    }

    #[test]
    fn what_is_another_altogether_ends() {
        let text = |mark: char| (0..3000).map(|n| format!("{mark}{n}\n")).collect::<String>();
        let shown = unified(&text('a'), &text('b'), "a", "b");
        assert_eq!((shown.matches("\n-a").count(), shown.matches("\n+b").count()), (3000, 3000));
    }

    proptest! {
        #[test]
        fn the_changes_make_one_of_the_other(before in "([abc]\n){0,12}", after in "([abc]\n){0,12}") {
            let (a, b) = (lines(&before), lines(&after));
            let (mut out, mut at) = (Vec::<&str>::new(), 0);
            let all = changes(&a, &b);
            for change in &all {
                prop_assert!(change.old.start >= at);
                out.extend(&a[at..change.old.start]);
                prop_assert_eq!(out.len(), change.new.start);
                out.extend(&b[change.new.clone()]);
                at = change.old.end;
            }
            out.extend(&a[at..]);
            prop_assert_eq!(out, b);
            prop_assert_eq!(all.is_empty(), before == after);
        }
    }
}
