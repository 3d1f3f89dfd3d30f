//! Hangs a [`Drive`] into the tree through FUSE. Needs `/dev/fuse` and the right to mount.
//!
//! The kernel keeps nothing back: no write-back cache, direct I/O, no lifetime of names.

use std::{
    ffi::OsStr,
    io,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem,
    FopenFlags, Generation, INodeNo, LockOwner, MountOption, OpenFlags, RenameFlags, ReplyAttr,
    ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request,
    TimeOrNow, WriteFlags,
};
use tempfile::TempDir;

use super::{
    Drive, Fault,
    drive::{Look, ROOT},
    guard,
};

/// Why nothing can be mounted here, in words; `None` where it can.
#[must_use]
pub fn unavailable() -> Option<String> {
    let opened = std::fs::File::options().read(true).write(true).open("/dev/fuse");
    let mounted = opened.and_then(|_| Mount::new(Drive::default()));
    match mounted {
        Ok(_) => None,
        Err(error) => Some(format!("no file system of ours can be mounted here: {error}")),
    }
}

/// A mounted drive; unmounted when dropped.
pub struct Mount {
    drive: Shared,
    session: Option<BackgroundSession>,
    folder: TempDir,
}

impl Mount {
    /// Mounts `drive` on a folder of its own.
    ///
    /// # Errors
    /// Where the kernel refuses: no device, no right to mount.
    pub fn new(drive: Drive) -> io::Result<Self> {
        guard::start();
        let folder = TempDir::new()?;
        let drive = Shared(Arc::new(Mutex::new(drive)));
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName(guard::name())];
        let session = fuser::spawn_mount(drive.clone(), folder.path(), &config)?;
        Ok(Self { drive, session: Some(session), folder })
    }

    /// Where it hangs.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The drive, to cut it or to make it fail. Hold it briefly: the mount waits meanwhile.
    pub fn drive(&self) -> MutexGuard<'_, Drive> {
        self.drive.lock()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Threads may still hold files open (sled's do for a while). First the connection is
        // broken, so that none of them waits for an answer for ever; then the name goes away.
        for how in ["-f", "-l"] {
            let mut command = Command::new("umount");
            let command = command.arg(how).arg(self.folder.path());
            // "Busy" and "not mounted" are answers as good as any.
            let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
        drop(self.session.take());
    }
}

#[derive(Clone)]
struct Shared(Arc<Mutex<Drive>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Drive> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const TTL: Duration = Duration::ZERO;
const GENERATION: Generation = Generation(0);

fn attr(look: &Look) -> FileAttr {
    FileAttr {
        ino: INodeNo(look.node),
        size: look.len,
        blocks: look.len.div_ceil(512),
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind: if look.folder { FileType::Directory } else { FileType::RegularFile },
        perm: if look.folder { 0o700 } else { 0o600 },
        nlink: if look.folder { 2 } else { 1 },
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

fn code(fault: Fault) -> Errno {
    match fault {
        Fault::NoEntry => Errno::ENOENT,
        Fault::Exists => Errno::EEXIST,
        Fault::NotEmpty => Errno::ENOTEMPTY,
        Fault::Kind => Errno::EISDIR,
        Fault::NoSpace => Errno::ENOSPC,
        Fault::Io => Errno::EIO,
    }
}

fn text(name: &OsStr) -> Result<&str, Fault> {
    name.to_str().ok_or(Fault::NoEntry)
}

fn entry(found: Result<Look, Fault>, reply: ReplyEntry) {
    match found {
        Ok(look) => reply.entry(&TTL, &attr(&look), GENERATION),
        Err(fault) => reply.error(code(fault)),
    }
}

fn empty(done: Result<(), Fault>, reply: ReplyEmpty) {
    match done {
        Ok(()) => reply.ok(),
        Err(fault) => reply.error(code(fault)),
    }
}

impl Filesystem for Shared {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        entry(text(name).and_then(|name| self.lock().find(parent.0, name)), reply);
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.lock().look(ino.0) {
            Ok(look) => reply.attr(&TTL, &attr(&look)),
            Err(fault) => reply.error(code(fault)),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        _mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<std::time::SystemTime>,
        _fh: Option<FileHandle>,
        _crtime: Option<std::time::SystemTime>,
        _chgtime: Option<std::time::SystemTime>,
        _bkuptime: Option<std::time::SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut drive = self.lock();
        let done = match size {
            Some(len) => drive.resize(ino.0, len),
            None => drive.look(ino.0),
        };
        match done {
            Ok(look) => reply.attr(&TTL, &attr(&look)),
            Err(fault) => reply.error(code(fault)),
        }
    }

    fn mkdir(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        entry(text(name).and_then(|name| self.lock().make(parent.0, name, true)), reply);
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        empty(text(name).and_then(|name| self.lock().remove(parent.0, name, false)), reply);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        empty(text(name).and_then(|name| self.lock().remove(parent.0, name, true)), reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        _flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let done = text(name)
            .and_then(|name| self.lock().rename((parent.0, name), (newparent.0, text(newname)?)));
        empty(done, reply);
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        match text(name).and_then(|name| self.lock().make(parent.0, name, false)) {
            Ok(look) => {
                let direct = FopenFlags::FOPEN_DIRECT_IO;
                reply.created(&TTL, &attr(&look), GENERATION, FileHandle(0), direct);
            }
            Err(fault) => reply.error(code(fault)),
        }
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.lock().read(ino.0, offset, size) {
            Ok(data) => reply.data(&data),
            Err(fault) => reply.error(code(fault)),
        }
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.lock().write(ino.0, offset, data) {
            Ok(written) => reply.written(written),
            Err(fault) => reply.error(code(fault)),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        empty(self.lock().sync(ino.0), reply);
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        empty(self.lock().sync(ino.0), reply);
    }

    fn readdir(
        &self,
        _: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let listed = match self.lock().list(ino.0) {
            Ok(listed) => listed,
            Err(fault) => return reply.error(code(fault)),
        };
        let dots = [".", ".."].map(|name| (name.to_owned(), ROOT, FileType::Directory));
        let names = listed.into_iter().map(|(name, look)| (name, look.node, attr(&look).kind));
        let all = dots.into_iter().chain(names).zip(1..);
        for ((name, node, kind), next) in all.skip(usize::try_from(offset).unwrap_or(usize::MAX)) {
            if reply.add(INodeNo(node), next, kind, &name) {
                break;
            }
        }
        reply.ok();
    }
}
