//! What a process holds in memory, and a folder on the disk.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::Failed;

/// Resident memory of a process, MB.
///
/// # Errors
/// There is no such process.
pub(super) fn memory(process: u32) -> Result<f64, Failed> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb: f64 = line.and_then(|l| l.split_whitespace().next()).ok_or("no VmRSS")?.parse()?;
    Ok(kb / 1_024.0)
}

/// Bytes that a folder takes on the disk, with all that is in it.
///
/// # Errors
/// It cannot be read.
pub(super) fn disk_use(folder: &Path) -> Result<u64, Failed> {
    let mut sum = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        sum += if about.is_dir() { disk_use(&entry.path())? } else { about.blocks() * 512 };
    }
    Ok(sum)
}
