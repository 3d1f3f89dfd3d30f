//! Carries out what was planned for a segment: headers, a sync, then holes.
//!
//! The order is the promise: a hole is made only when the header that says so is durable, so that
//! after a power cut no record is found without its content. Where the file system makes no holes,
//! zeros are written, so that what was let go is gone even so. Called by [`super::journal`] only.

use std::{fs::File, io, os::unix::fs::FileExt as _, path::Path};

use cbm_proto::journal::{HEADER_LEN, HeaderBytes, Letting, Plan, SegmentHeader};
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::{
    StoreError,
    segment::{SYNCING, at, taken_by},
};

/// Zeros are written in pieces of this size.
const PIECE: usize = 64 * 1024;

/// The headers of a segment up to `end`.
pub(super) fn read(
    file: &File,
    path: &Path,
    head: &SegmentHeader,
    end: u32,
) -> Result<Letting, StoreError> {
    Letting::read(*head, end, |offset| {
        let mut bytes: HeaderBytes = [0; HEADER_LEN as usize];
        match file.read_exact_at(&mut bytes, u64::from(offset)) {
            // A file that was cut short has no header there.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(bytes),
            read => read.map(|()| bytes).map_err(at("reading", path)),
        }
    })
}

/// Writes the headers and syncs; then makes the holes. Returns by how much the file became smaller
/// on the disk, bytes.
pub(super) fn make(
    file: &File,
    path: &Path,
    head: &SegmentHeader,
    plan: &Plan,
) -> Result<u64, StoreError> {
    if plan.has_runs() {
        file.write_all_at(&head.encode_with_runs(), 0).map_err(at("writing", path))?;
        file.sync_data().map_err(at(SYNCING, path))?;
    }
    for (offset, bytes) in &plan.headers {
        file.write_all_at(bytes, u64::from(*offset)).map_err(at("writing", path))?;
    }
    file.sync_data().map_err(at(SYNCING, path))?;
    let before = room(file, path)?;
    for (from, to) in &plan.holes {
        hole(file, u64::from(*from), u64::from(to - from)).map_err(at("freeing room in", path))?;
    }
    Ok(before.saturating_sub(room(file, path)?))
}

/// Bytes that a file takes on the disk.
fn room(file: &File, path: &Path) -> Result<u64, StoreError> {
    Ok(taken_by(&file.metadata().map_err(at("reading", path))?))
}

fn hole(file: &File, from: u64, length: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, from, length) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => zeros(file, from, length),
        done => Ok(done?),
    }
}

fn zeros(file: &File, from: u64, length: u64) -> io::Result<()> {
    let (piece, end) = (vec![0; PIECE], from + length);
    let mut at = from;
    while at < end {
        let count = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
        file.write_all_at(&piece[..count], at)?;
        at += count as u64;
    }
    Ok(())
}
