//! Memory for the work on requests, used again by the next ones.
//!
//! The work on a request needs some 7 KB from its first step to its last. With the allocator of static programs that much
//! costs a system call and two page faults as often as not (docs/decisions/0032).

use std::sync::{Mutex, PoisonError};

use tokio_util::sync::ReusableBoxFuture;

use crate::limits::SPARE_WORKSPACES;

/// What a request is worked on in.
pub(super) type Workspace = ReusableBoxFuture<'static, ()>;

/// Workspaces that nobody needs right now.
#[derive(Debug, Default)]
pub(super) struct Workspaces(Mutex<Vec<Workspace>>);

impl Workspaces {
    /// One for `work`, which is to be of the same type always.
    pub(super) fn begin(&self, work: impl Future<Output = ()> + Send + 'static) -> Workspace {
        let spare = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match spare {
            Some(mut workspace) => {
                workspace.set(work);
                workspace
            }
            None => Workspace::new(work),
        }
    }

    /// Takes it back after the work has come to its end.
    pub(super) fn end(&self, workspace: Workspace) {
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE_WORKSPACES {
            spare.push(workspace);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spare(workspaces: &Workspaces) -> usize {
        workspaces.0.lock().unwrap().len()
    }

    #[tokio::test]
    async fn a_workspace_is_used_again_and_few_are_kept() {
        let workspaces = Workspaces::default();
        for _ in 0..3 {
            let mut workspace = workspaces.begin(async {});
            assert_eq!(spare(&workspaces), 0);
            (&mut workspace).await;
            workspaces.end(workspace);
            assert_eq!(spare(&workspaces), 1);
        }
        let many: Vec<_> = (0..2 * SPARE_WORKSPACES).map(|_| workspaces.begin(async {})).collect();
        for mut workspace in many {
            (&mut workspace).await;
            workspaces.end(workspace);
        }
        assert_eq!(spare(&workspaces), SPARE_WORKSPACES);
    }
}
