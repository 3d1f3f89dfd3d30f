//! Signed documents: their bytes, and what a directory believes of a set of them.

use cbm_proto::accord::read::{
    AccordText, AttestationText, CertificateText, CharterText, ContactText, RevocationText,
};
use cbm_proto::accord::{Directory, Document, DocumentKind};
use cbm_proto::limits::{DOCUMENT_MAX, DOCUMENT_SIGNATURES_MAX};

use super::input::Input;
use super::world::world;

const KINDS: [DocumentKind; 6] = [
    DocumentKind::Accord,
    DocumentKind::Certificate,
    DocumentKind::Contact,
    DocumentKind::Charter,
    DocumentKind::Revocation,
    DocumentKind::Attestation,
];

/// A document that decodes keeps its bytes and is within its bounds; nobody believes what nobody signed.
pub(super) fn document(data: &[u8]) {
    let Ok(document) = Document::decode(data) else { return };
    assert!(*document.bytes() == data && data.len() <= DOCUMENT_MAX);
    assert!(document.signers().count() <= DOCUMENT_SIGNATURES_MAX);
    let again = Document::decode(document.bytes()).expect("what was decoded");
    assert_eq!(again.digest(), document.digest());
    let joined = again.joined(&document).expect("the same document");
    assert_eq!(joined.bytes(), document.bytes());
    read_as_all(&document);
    if document.kind() == DocumentKind::Accord {
        let _ = Directory::new(data).map(|directory| directory.view_text());
    }
}

fn read_as_all(document: &Document) {
    let read = [
        AccordText::read(document).is_ok(),
        CertificateText::read(document).is_ok(),
        ContactText::read(document).is_ok(),
        CharterText::read(document).is_ok(),
        RevocationText::read(document).is_ok(),
        AttestationText::read(document).is_ok(),
    ];
    for (kind, read) in KINDS.iter().zip(read) {
        assert!(!read || document.kind() == *kind, "read as another kind");
    }
}

/// Payloads that are really signed, by whom the input says. What is believed of them does not depend on
/// their order, what was refused changes nothing, and handing in again is no news.
pub(super) fn directory(data: &[u8]) {
    let mut input = Input::new(data);
    let mut made = Vec::new();
    while !input.is_empty() && made.len() < 12 {
        made.push(signed(&mut input).bytes().clone());
    }
    let start = &world().directory;
    let (mut forth, mut back) = (start.clone(), start.clone());
    let (_, left) = forth.admit_all(made.iter().map(|bytes| &bytes[..]));
    let held = forth.documents();
    for (bytes, error) in left {
        assert!(!error.to_string().is_empty());
        let before = forth.view_digest();
        assert!(forth.admit(bytes).is_err(), "refused and then taken");
        assert_eq!(forth.view_digest(), before, "what was refused changed something");
    }
    back.admit_all(made.iter().rev().map(|bytes| &bytes[..]));
    // Which documents are held may differ where one supersedes another; exchanged, both agree.
    back.admit_all(held.values().map(|bytes| &bytes[..]));
    let others = back.documents();
    forth.admit_all(others.values().map(|bytes| &bytes[..]));
    assert_eq!(forth.view_text(), back.view_text(), "believed in another order");
    let before = forth.view_digest();
    forth.admit_all(made.iter().map(|bytes| &bytes[..]));
    assert_eq!(forth.view_digest(), before, "handed in again");
}

/// One document: its kind, who signs it, how it is changed, its payload (a founded one's where none
/// is given).
fn signed(input: &mut Input<'_>) -> Document {
    let world = world();
    let (kind, signers, base) = (input.below(6), input.byte(), input.byte());
    let mut payload = input.piece().to_vec();
    if base & 1 == 1 {
        let documents = &world.founded.documents;
        let base = &documents[usize::from(base >> 1) % documents.len()];
        let mut whole = Document::decode(base).expect("founded").payload().to_vec();
        // Changes of two bytes of place and one of value.
        for change in payload.chunks_exact(3) {
            let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % whole.len();
            whole[at] = change[2];
        }
        payload = whole;
    }
    let mut document = Document::unsigned(KINDS[kind], payload);
    for (at, party) in (0..4).map(|at| (at, world.party(at))) {
        if signers & 1 << at != 0 {
            document = document.signed_by(&world.founded.authorities[party].sign);
        }
        if signers & 0x10 << at != 0 {
            document = document.signed_by(&world.keys(at).sign);
        }
    }
    document
}

/// Whether these bytes are one of [`directory`]'s inputs; for seeds.
pub(super) fn as_input(document: &Document, signers: u8) -> Option<Vec<u8>> {
    let kind = KINDS.iter().position(|kind| *kind == document.kind())?;
    let payload = document.payload();
    let length = u16::try_from(payload.len()).ok()?;
    Some([&[kind as u8, signers, 0][..], &length.to_be_bytes(), payload].concat())
}
