//! Files of the person at the keyboard: a letter to send, what goes with it, where to save.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use cbm_proto::limits::{ATTACHMENT_COUNT_MAX, ATTACHMENTS_MAX, EVIDENCE_MAX, TEXT_MAX};

use super::transfer::{self, stamp};
use crate::api::{
    client::Client,
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

/// The files that go with a letter: inside it as long as there is room, the others by the node.
///
/// # Errors
/// One cannot be read, changes meanwhile, they are too many or too large, or the node does not take
/// one.
pub async fn attachments(client: &Client, paths: &[PathBuf]) -> Result<Vec<AttachmentIn>, Failure> {
    if paths.len() > ATTACHMENT_COUNT_MAX {
        let cause = format!("{} attachments; a letter takes {ATTACHMENT_COUNT_MAX}", paths.len());
        return Err(not_sent(Code::Usage, cause, "pack them, or send several letters"));
    }
    let sizes: Vec<u64> = paths.iter().map(|path| size(path)).collect::<Result<_, _>>()?;
    let mut room = ATTACHMENTS_MAX;
    let mut all = Vec::new();
    for (path, size) in paths.iter().zip(sizes) {
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
            not_sent(Code::Usage, format!("{} has no usable name", path.display()), "rename it")
        })?;
        if size > room as u64 {
            all.push(transfer::give(client, path, name).await?);
            continue;
        }
        let bytes = whole(path, room)?;
        room -= bytes.len();
        all.push(AttachmentIn {
            name: name.to_owned(),
            media_type: None,
            base64: Some(BASE64_STANDARD.encode(bytes)),
            evidence: None,
        });
    }
    Ok(all)
}

/// Bytes of a file that can go with a letter.
fn size(path: &Path) -> Result<u64, Failure> {
    let data = File::open(path).and_then(|file| file.metadata()).map_err(|e| {
        not_sent(Code::Failed, format!("{}: {e}", path.display()), "name a file that you may read")
    })?;
    if !data.is_file() {
        let cause = format!("{} is not a file", path.display());
        return Err(not_sent(Code::Usage, cause, "name a file"));
    }
    if data.len() > EVIDENCE_MAX {
        let cause = format!(
            "{} has {} bytes; an attachment has at most {EVIDENCE_MAX}",
            path.display(),
            data.len()
        );
        return Err(not_sent(Code::Usage, cause, "cut it into several files"));
    }
    Ok(data.len())
}

/// A name that stays in its folder, whatever a sender called the file.
#[must_use]
pub fn plain(name: &str) -> String {
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
        return Err(changed(path));
    }
    Ok(bytes)
}

/// A file that somebody writes.
#[must_use]
pub fn changed(path: &Path) -> Failure {
    let cause = format!("{} changed while it was read", path.display());
    not_sent(Code::Failed, cause, "wait until nobody writes it, then send again")
}

fn bounded(from: &mut dyn Read, path: &Path, max: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let mut limited = from.take(max as u64 + 1);
    limited.read_to_end(&mut bytes).map_err(|e| {
        not_sent(Code::Failed, format!("{}: {e}", path.display()), "name a file that you may read")
    })?;
    if bytes.len() > max {
        let cause =
            format!("{} is larger than the {max} bytes that a letter has for it", path.display());
        return Err(not_sent(Code::Usage, cause, "attach the details as a file"));
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

    #[tokio::test]
    async fn a_file_above_the_bound_is_refused_before_any_node_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let large = folder.path().join("large.bin");
        File::create(&large).unwrap().set_len(EVIDENCE_MAX + 1).unwrap();
        let nobody = Client::new(folder.path().join("no.sock"));
        let error = attachments(&nobody, &[large]).await.unwrap_err();
        assert_eq!(error.code, Code::Usage);
        assert!(error.cause.contains("large.bin"), "{error}");
    }

    #[tokio::test]
    async fn what_fits_goes_inside_and_what_does_not_needs_the_node() {
        let folder = tempfile::tempdir().unwrap();
        let half = folder.path().join("half.bin");
        std::fs::write(&half, vec![0; ATTACHMENTS_MAX / 2 + 1]).unwrap();
        let nobody = Client::new(folder.path().join("no.sock"));
        let one = attachments(&nobody, std::slice::from_ref(&half)).await.unwrap();
        assert!(one[0].base64.is_some() && one[0].evidence.is_none());
        let error = attachments(&nobody, &[half.clone(), half]).await.unwrap_err();
        assert_eq!(error.code, Code::Unavailable, "{error}");
    }
}
