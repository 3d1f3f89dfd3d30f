//! One network namespace with one device, made and removed by `ip`.
//!
//! Invariant: whatever is under this run's name is removed when the run ends, however it ends, with
//! the processes in it: a small process in a group of its own waits for that. Called by `nets`.

use std::{
    io,
    net::IpAddr,
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
    sync::{
        Arc, Once,
        atomic::{AtomicU32, Ordering},
    },
};

use tun_rs::{DeviceBuilder, SyncDevice};

/// See the module.
pub(super) struct Space {
    name: String,
    device: Arc<SyncDevice>,
}

impl Space {
    /// With this one address, on a device through which everything goes.
    pub(super) fn new(address: IpAddr) -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        guard();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}{number}", prefix());
        let link = format!("cb{}x{number}", std::process::id());
        // Made out here and then moved: the open end stays with us.
        let device = Arc::new(DeviceBuilder::new().name(&link).enable(false).build_sync()?);
        ip(&["netns", "add", &name])?;
        let space = Self { name, device };
        ip(&["link", "set", &link, "netns", &space.name])?;
        let (address, every) = match address {
            IpAddr::V4(ip) => (format!("{ip}/24"), "0.0.0.0/0"),
            IpAddr::V6(ip) => (format!("{ip}/64"), "::/0"),
        };
        let within = |words: &[&str]| ip(&[&["-n", &space.name], words].concat());
        within(&["address", "add", &address, "dev", &link])?;
        within(&["link", "set", "lo", "up"])?;
        within(&["link", "set", &link, "up"])?;
        within(&["route", "add", every, "dev", &link])?;
        Ok(space)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn device(&self) -> Arc<SyncDevice> {
        self.device.clone()
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        // What this cannot remove the guard does, when the run has ended.
        let _ = ip(&["netns", "delete", &self.name]);
    }
}

fn prefix() -> String {
    format!("cbm-{}-", std::process::id())
}

fn ip(words: &[&str]) -> io::Result<()> {
    let done = Command::new("ip").args(words).stdin(Stdio::null()).output()?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(io::Error::other(format!("ip {}: {}", words.join(" "), said.trim())))
}

/// Starts the process that cleans up, once.
fn guard() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let (id, prefix) = (std::process::id(), prefix());
        let script = format!(
            "while [ -e /proc/{id} ] && ! grep -q '^State:.Z' /proc/{id}/status; do sleep 1; done
             for name in $(ip netns list | grep -o '^{prefix}[0-9]*'); do
                 ip netns pids \"$name\" | xargs -r kill -9
                 ip netns delete \"$name\"
             done"
        );
        let mut command = Command::new("sh");
        let command = command.args(["-c", &script]).process_group(0).stdin(Stdio::null());
        // Without it a killed run leaves namespaces behind, which is no reason not to run.
        let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    });
}
