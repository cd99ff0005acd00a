//! Ending a child that somebody else has started for us.

/// Ends a child of this process, and on Linux what it has started, if the number is still that of one. Where it leads
/// no group of its own, [`kill_group`](super::kill_group) would end us as well.
pub fn kill_child(child: u32) {
    #[cfg(unix)]
    {
        use rustix::process::{Pid, Signal, getpgid, kill_process};
        let pid = |number: u32| i32::try_from(number).ok().and_then(Pid::from_raw);
        // The number may be somebody else's by now.
        let of_ours = |pid: Pid| getpgid(Some(pid)).is_ok_and(|group| getpgid(None) == Ok(group));
        if !is_child(child) || !pid(child).is_some_and(of_ours) {
            return;
        }
        for pid in family(child).into_iter().filter_map(pid) {
            // If it is gone already, all is well.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    #[cfg(not(unix))]
    let _ = child;
}

/// Whether this process is its parent.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_child(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name, in brackets, may have any character. The state and the parent follow it.
    let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1));
    parent == Some(&*std::process::id().to_string())
}

/// Whether this process is its parent: nobody tells.
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
fn is_child(_: u32) -> bool {
    true
}

/// Processes that are ended at once. A tool has a handful.
#[cfg(any(target_os = "linux", target_os = "android"))]
const MOST: usize = 256;

/// A process and all that it has started, as far as the system tells.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn family(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let mut at = 0;
    while at < found.len() && found.len() < MOST {
        let pid = found[at];
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        found.extend(
            children
                .unwrap_or_default()
                .split_whitespace()
                .filter_map(|pid| pid.parse::<u32>().ok()),
        );
        at += 1;
    }
    found
}

/// The process alone.
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
fn family(pid: u32) -> Vec<u32> {
    vec![pid]
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn only_children_are_ended_and_theirs_with_them() {
        // The shell waits for a child of its own, which has the pipe as well.
        let mut child = Command::new("sh")
            .args(["-c", "sleep 1000; true"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let tasks = format!("/proc/{0}/task/{0}/children", child.id());
        if !std::path::Path::new(&tasks).exists() {
            eprintln!("this kernel lists no children: nothing was shown");
            kill_child(child.id());
            child.wait().unwrap();
            return;
        }
        while family(child.id()).len() < 2 {
            std::thread::yield_now();
        }
        let grandchild = family(child.id())[1];
        kill_child(grandchild);
        assert_eq!(child.try_wait().unwrap(), None, "a grandchild is none of ours");
        kill_child(child.id());
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        let mut rest = Vec::new();
        std::io::Read::read_to_end(&mut child.stdout.take().unwrap(), &mut rest).unwrap();
        kill_child(1);
        kill_child(u32::MAX);
    }
}
