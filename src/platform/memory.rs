//! The memory of this process, which holds secrets.

/// From here on the memory is in no core dump. On Linux no other process of the same user can read it, nor the
/// environment, nor attach to this one; a debugger that has started it goes on. Programs that are started from
/// here are as they would be: the system forgets this where another program takes over.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn protect() {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    // A sandbox may forbid the call. Then nothing is lost that was there before.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// From here on the memory is in no core dump. The limit for that is inherited by programs that are started from
/// here; they may raise it again.
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
pub fn protect() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Core);
    // Lowering it is always allowed.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum });
}

/// Nothing here: whether and where the memory of a program that has crashed is kept is for the administrator to
/// say (Windows Error Reporting).
#[cfg(not(unix))]
pub fn protect() {}
