//! What is inside: letters, receipts, questions about lost letters, drafts.

use bytes::Bytes;
use cbm_proto::catalogue::catalogue;
use cbm_proto::draft::{Attachment, Draft, SendOptions};
use cbm_proto::id::MsgId;
use cbm_proto::letter::{Letter, Origin};
use cbm_proto::limits::{
    ATTACHMENTS_MAX, PARTS_MAX, RECEIPT_ENTRIES_MAX, RESEND_ENTRIES_MAX, TEXT_MAX,
};
use cbm_proto::part::Part;
use cbm_proto::primitives::Entropy;
use cbm_proto::receipt::{Entry, Receipt, Resend};
use cbm_proto::terms::Status;
use cbm_proto::time::Timestamp;

use super::input::Input;
use super::world::world;

/// Where letters of bodies come from.
pub(super) fn origin() -> Origin {
    let station = world().stations[1].0.clone();
    Origin { id: MsgId(*b"a letter of fuzz"), station, at: Timestamp(1_800_000_000_000) }
}

/// Parts that make a letter keep within its bounds, are shown, and are read again as the same letter
/// where all in it is known; a letter of any type is asked whether it is a receipt.
pub(super) fn letter(data: &[u8]) {
    let mut input = Input::new(data);
    let mut parts = Vec::new();
    while !input.is_empty() && parts.len() <= PARTS_MAX {
        let kind = input.byte();
        parts.push(Part { salt: [0; 16], kind, bytes: Bytes::copy_from_slice(input.piece()) });
    }
    let Ok(letter) = Letter::from_parts(&parts) else { return };
    assert!(letter.body.len() <= TEXT_MAX && parts.len() <= PARTS_MAX);
    let inside = letter.attachments.iter().filter_map(|file| file.inside());
    let files: usize = inside.map(Bytes::len).sum();
    assert!(files <= ATTACHMENTS_MAX);
    assert!(letter.to_json().is_object());
    let receipt = Receipt::read(&letter).is_ok();
    assert!(!(receipt && Resend::read(&letter).is_ok()), "of two types");
    if !letter.newer {
        let again = Letter::from_parts(&letter.parts(&mut Entropy::new(&[1; 32])));
        let again = again.expect("a letter, in parts, is a letter");
        assert_eq!((again.id(), again.to_json()), (letter.id(), letter.to_json()));
    }
}

/// The body of a receipt, whatever it says: within bounds, and each entry is kept and read again.
pub(super) fn receipt(data: &[u8]) {
    let mut letter = Receipt::new(Vec::new()).letter(&origin(), world().party(0), Status::System);
    letter.body = Bytes::copy_from_slice(data);
    let kept = Entry::from_bytes(data);
    let read = Receipt::read(&letter).map(|receipt| receipt.entries).unwrap_or_default();
    assert!(read.len() <= RECEIPT_ENTRIES_MAX);
    for entry in kept.into_iter().chain(read) {
        // What a newer version says of an outcome is dropped once; what is left stays.
        let again = Entry::from_bytes(&entry.to_bytes());
        assert_eq!(again.map(|again| again.to_bytes()), Some(entry.to_bytes()));
    }
}

/// The body of a question or a list about lost letters: within bounds, and made again as it was read.
pub(super) fn resend(data: &[u8]) {
    let empty = Resend::List { entries: Vec::new(), more: false };
    let (to, status) = (world().party(0), Status::System);
    let mut letter = empty.letter(&origin(), to, status);
    letter.body = Bytes::copy_from_slice(data);
    let Ok(read) = Resend::read(&letter) else { return };
    let count = match &read {
        Resend::Ask { only, .. } => only.len(),
        Resend::Locked { .. } | Resend::Unlocked => 0,
        Resend::List { entries, .. } => entries.len(),
    };
    assert!(count <= RESEND_ENTRIES_MAX);
    assert_eq!(Resend::read(&read.letter(&origin(), to, status)), Ok(read));
}

/// JSON that a person wrote, for a type that exists: refused in words, or a draft.
pub(super) fn draft_json(data: &[u8]) {
    let mut input = Input::new(data);
    let types = catalogue().types();
    let info = &types[input.below(types.len())];
    let how = input.byte();
    let word = |bit: u8, word: &str| (how & bit != 0).then(|| word.to_owned());
    let options = SendOptions {
        to: if how & 1 != 0 { vec![world().party(0).clone()] } else { Vec::new() },
        drafted_by: word(2, "D. Drafter"),
        released_by: word(4, "R. Releaser"),
        emergency: word(8, "the other one is away"),
        attachments: word(16, "a file")
            .map(|t| Attachment::new("a.txt", t.into()))
            .into_iter()
            .collect(),
        ..SendOptions::default()
    };
    let Ok(text) = std::str::from_utf8(input.rest()) else { return };
    match Draft::from_json(&info.name, text, options) {
        Ok(draft) => drafted(&draft),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Bytes under which a draft was kept: read again as they are, or refused. They come from the station's
/// own disk, under its archive key, so that what they say need not make sense; it may not stop the node.
pub(super) fn draft_kept(data: &[u8]) {
    let Ok(draft) = Draft::from_bytes(data) else { return };
    kept(&draft);
    if draft.check().is_ok() {
        let letter = Letter::compose(draft, &origin());
        drop(Letter::from_parts(&letter.parts(&mut Entropy::new(&[1; 32]))));
    }
}

fn kept(draft: &Draft) {
    assert_eq!(Draft::from_bytes(&draft.to_bytes()).as_ref(), Ok(draft), "kept and read again");
}

/// A draft is kept and read again; one that passes its check becomes a letter that its recipient
/// reads whole.
fn drafted(draft: &Draft) {
    kept(draft);
    if draft.check().is_err() {
        return;
    }
    let letter = Letter::compose(draft.clone(), &origin());
    let parts = letter.parts(&mut Entropy::new(&[1; 32]));
    let read = Letter::from_parts(&parts).expect("what was checked is a letter at its recipient");
    assert!(!read.newer && read.complete && read.id() == letter.id());
    // Fields of a body travel in their groups, so their order may be another one.
    assert_eq!(read.to_json(), letter.to_json());
    assert_eq!(read.header.status(), letter.header.status());
}
