//! Sees to it that no mount outlives the run that made it, however that ends.
//!
//! A thread that waits for a file system of its own process cannot even be killed; a killed run
//! leaves a loop device behind. A small process in a group of its own waits for the end of this one
//! and then breaks and removes whatever is still mounted under its name.

use std::{
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
    sync::Once,
};

/// The name that each mount of this process carries, in its source or in its folder.
pub(super) fn name() -> String {
    format!("powerloss-{}", std::process::id())
}

/// Starts the guard, once.
pub(super) fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let (id, name) = (std::process::id(), name());
        let script = format!(
            "while [ -e /proc/{id} ] && ! grep -q '^State:.Z' /proc/{id}/status; do sleep 1; done
             grep -w '{name}' /proc/mounts | while read -r _ at _; do
                 umount -f \"$at\"; umount -l \"$at\"
             done"
        );
        let mut command = Command::new("sh");
        let command = command.args(["-c", &script]).process_group(0).stdin(Stdio::null());
        // Without it a killed run leaves mounts behind, which is no reason not to run.
        let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    });
}
