//! Files of the person at the keyboard: a letter to send, what goes with it, where to save.

use std::{
    fs::{File, Metadata},
    io::{Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use cbm_proto::limits::{ATTACHMENT_COUNT_MAX, ATTACHMENTS_MAX, TEXT_MAX};

use crate::api::{
    failure::{Code, Failure},
    shape::AttachmentIn,
};

/// The letter's JSON, from a file or, for `-`, from standard input.
///
/// # Errors
/// It cannot be read, is too long, or is no JSON.
pub fn letter(path: &Path) -> Result<serde_json::Value, Failure> {
    let (bytes, name) = if path == Path::new("-") {
        let name = "standard input";
        (bounded(&mut std::io::stdin().lock(), Path::new(name), TEXT_MAX)?, name.to_owned())
    } else {
        (whole(path, TEXT_MAX)?, path.display().to_string())
    };
    let wrong = |what: String, remedy| not_sent(Code::Usage, format!("{name} {what}"), remedy);
    let text = std::str::from_utf8(&bytes).map_err(|e| {
        let line = bytes.iter().take(e.valid_up_to()).filter(|byte| **byte == b'\n').count() + 1;
        wrong(format!("is not UTF-8 in line {line}"), "save it as UTF-8, then send it again")
    })?;
    if text.trim().is_empty() {
        return Err(wrong("is empty".to_owned(), "`cbm template TYPE` prints an example"));
    }
    serde_json::from_str(text).map_err(|e| {
        let place = format!("line {} column {}", e.line(), e.column());
        if e.is_eof() {
            return wrong(format!("ends in the middle, {place}"), "is it the whole file?");
        }
        if e.to_string().starts_with("trailing characters") {
            let what = format!("goes on behind the end of the letter, {place}");
            return wrong(what, "send one letter with each command");
        }
        wrong(format!("is not JSON: {e}"), "compare it with `cbm template TYPE`")
    })
}

/// The files that go with a letter.
///
/// # Errors
/// One cannot be read, changes meanwhile, or they are too many or too large.
pub fn attachments(paths: &[PathBuf]) -> Result<Vec<AttachmentIn>, Failure> {
    if paths.len() > ATTACHMENT_COUNT_MAX {
        let cause = format!("{} attachments; a letter takes {ATTACHMENT_COUNT_MAX}", paths.len());
        return Err(not_sent(Code::Usage, cause, "pack them, or send several letters"));
    }
    let mut room = ATTACHMENTS_MAX;
    let mut all = Vec::new();
    for path in paths {
        let bytes = whole(path, room)?;
        room -= bytes.len();
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
            not_sent(Code::Usage, format!("{} has no usable name", path.display()), "rename it")
        })?;
        all.push(AttachmentIn {
            name: name.to_owned(),
            media_type: None,
            base64: BASE64_STANDARD.encode(bytes),
        });
    }
    Ok(all)
}

/// Writes one attachment into a folder under its own name; never over a file that is there.
///
/// # Errors
/// The file is there or cannot be written.
pub fn save(folder: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, Failure> {
    let path = folder.join(plain(name));
    let file = File::options().write(true).create_new(true).mode(0o600).open(&path);
    file.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all())).map_err(
        |e| {
            Failure::new(
                Code::Failed,
                "an attachment was not saved",
                format!("{}: {e}", path.display()),
                "save into an empty folder that you may write",
            )
        },
    )?;
    Ok(path)
}

/// A name that stays in its folder, whatever a sender called the file.
fn plain(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last.chars().filter(|c| !c.is_control()).take(120).collect();
    match plain.trim_start_matches('.') {
        "" => "attachment".to_owned(),
        rest => rest.to_owned(),
    }
}

/// A whole file of at most `max` bytes that did not change while it was read.
fn whole(path: &Path, max: usize) -> Result<Vec<u8>, Failure> {
    let broken = |e: std::io::Error| {
        not_sent(Code::Failed, format!("{}: {e}", path.display()), "name a file that you may read")
    };
    let mut file = File::open(path).map_err(broken)?;
    let before = file.metadata().map_err(broken)?;
    if !before.is_file() {
        let cause = format!("{} is not a file", path.display());
        return Err(not_sent(Code::Usage, cause, "name a file"));
    }
    let bytes = bounded(&mut file, path, max)?;
    let after = std::fs::metadata(path).map_err(broken)?;
    if stamp(&before) != stamp(&after) || bytes.len() as u64 != after.len() {
        let cause = format!("{} changed while it was read", path.display());
        return Err(not_sent(Code::Failed, cause, "wait until nobody writes it, then send again"));
    }
    Ok(bytes)
}

fn stamp(data: &Metadata) -> (u64, u64, u64, i64, i64) {
    (data.dev(), data.ino(), data.len(), data.mtime(), data.mtime_nsec())
}

fn bounded(from: &mut dyn Read, path: &Path, max: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let mut limited = from.take(max as u64 + 1);
    limited.read_to_end(&mut bytes).map_err(|e| {
        not_sent(Code::Failed, format!("{}: {e}", path.display()), "name a file that you may read")
    })?;
    if bytes.len() > max {
        let cause = format!(
            "{} is larger than the {max} bytes that are left ({ATTACHMENTS_MAX} for all \
             attachments of one letter, {TEXT_MAX} for its text)",
            path.display()
        );
        return Err(not_sent(Code::Usage, cause, "send less, or in several letters"));
    }
    Ok(bytes)
}

fn not_sent(code: Code, cause: String, remedy: &str) -> Failure {
    Failure::new(code, "nothing was sent", cause, remedy)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_stay_in_the_folder() {
        for (name, safe) in [
            ("../../etc/passwd", "passwd"),
            ("..", "attachment"),
            (".bashrc", "bashrc"),
            ("a\\b\\c.txt", "c.txt"),
            ("x\u{0}y\n.json", "xy.json"),
            ("", "attachment"),
        ] {
            assert_eq!(plain(name), safe);
        }
    }

    #[test]
    fn a_file_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = save(folder.path(), "../note.txt", b"one").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        assert!(save(folder.path(), "note.txt", b"two").is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
    }

    #[test]
    fn attachments_are_bounded_in_sum() {
        let folder = tempfile::tempdir().unwrap();
        let half = folder.path().join("half.bin");
        std::fs::write(&half, vec![0; ATTACHMENTS_MAX / 2 + 1]).unwrap();
        assert_eq!(attachments(std::slice::from_ref(&half)).unwrap()[0].name, "half.bin");
        let error = attachments(&[half.clone(), half]).unwrap_err();
        assert_eq!(error.code, Code::Usage);
        assert!(error.cause.contains("half.bin"), "{error}");
    }
}
