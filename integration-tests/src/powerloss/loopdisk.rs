//! A real file system on a loop device, whose power is cut by copying what lies beneath it.
//!
//! ext4 in an image file, mounted through a loop device: what a process wrote sits in the page
//! cache until something syncs it, and the image holds what a drive would hold. A copy of the
//! image, taken while the process is stopped, is the drive after a power cut. It keeps some writes
//! that no sync covered, so this tests real binaries, not the claim about syncs; for that there is
//! [`super::Drive`]. Needs root, `mkfs.ext4`, `mount` and loop devices. Used by `tests/loopcut.rs`.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use super::guard;

/// A mounted image; unmounted and removed when dropped.
pub struct LoopDisk {
    // Dropped in this order: the mount point after the unmounting in `drop`, then the image.
    mount: TempDir,
    folder: TempDir,
}

impl LoopDisk {
    /// Makes a file system of `mib` mebibytes and mounts it.
    ///
    /// # Errors
    /// Where there is no right to mount, no loop device or no `mkfs.ext4`.
    pub fn new(mib: u64) -> io::Result<Self> {
        let folder = TempDir::new()?;
        let image = image(folder.path());
        File::create(&image)?.set_len(mib * 1024 * 1024)?;
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image))?;
        Self::mount(folder)
    }

    fn mount(folder: TempDir) -> io::Result<Self> {
        guard::start();
        let mount = TempDir::with_prefix(format!("{}-", guard::name()))?;
        run(Command::new("mount")
            .args(["-o", "loop,errors=remount-ro"])
            .arg(image(folder.path()))
            .arg(mount.path()))?;
        Ok(Self { mount, folder })
    }

    /// Where it hangs.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.mount.path()
    }

    /// An error of the file system, after which the kernel lets nobody write.
    ///
    /// # Errors
    /// Where the kernel has no such switch.
    pub fn fails(&self) -> io::Result<()> {
        let mounts = std::fs::read_to_string("/proc/mounts")?;
        let here = self.path().to_str().unwrap_or_default();
        let device = mounts.lines().find_map(|line| {
            let mut words = line.split(' ');
            let device = words.next()?.strip_prefix("/dev/")?;
            (words.next()? == here).then_some(device)
        });
        let device = device.ok_or_else(|| io::Error::other("it is not mounted"))?;
        std::fs::write(format!("/sys/fs/ext4/{device}/trigger_fs_error"), "a test")
    }

    /// What an operator does after that: unmounts, has it checked, mounts it again, on another folder.
    /// Nobody may use it meanwhile.
    ///
    /// # Errors
    /// It cannot be mended.
    pub fn mend(self) -> io::Result<Self> {
        let copy = self.copy()?;
        drop(self);
        let check =
            Command::new("fsck.ext4").args(["-f", "-p"]).arg(image(copy.0.path())).output()?;
        // 1: errors were found and mended.
        match check.status.code() {
            Some(0 | 1) => copy.power_on(),
            _ => Err(io::Error::other(String::from_utf8_lossy(&check.stdout).into_owned())),
        }
    }

    /// What a drive would hold if the power went now. Whoever writes must be stopped meanwhile.
    ///
    /// # Errors
    /// When the copy cannot be written.
    pub fn copy(&self) -> io::Result<Copied> {
        let folder = TempDir::new()?;
        let (from, to) = (image(self.folder.path()), image(folder.path()));
        run(Command::new("cp").arg("--sparse=always").arg(from).arg(to))?;
        Ok(Copied(folder))
    }
}

/// An image that was copied and is not mounted yet.
pub struct Copied(TempDir);

impl Copied {
    /// Starts on it, as after the power came back: the file system's own journal is replayed.
    ///
    /// # Errors
    /// When it cannot be mounted.
    pub fn power_on(self) -> io::Result<LoopDisk> {
        LoopDisk::mount(self.0)
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        if run(Command::new("umount").arg(self.mount.path())).is_err() {
            // Somebody still has files open there: it goes away with them.
            let _ = run(Command::new("umount").arg("-l").arg(self.mount.path()));
        }
    }
}

fn image(folder: &Path) -> PathBuf {
    folder.join("disk.img")
}

fn run(command: &mut Command) -> io::Result<()> {
    let done = command.stdin(Stdio::null()).output()?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(io::Error::other(format!("{:?}: {}", command.get_program(), said.trim())))
}

/// Stops or continues a process: `STOP`, `CONT`, `KILL`.
///
/// # Errors
/// When there is no such process.
pub fn signal(process: u32, name: &str) -> io::Result<()> {
    run(Command::new("kill").arg(format!("-{name}")).arg(process.to_string()))
}
