//! The next version of an accord, drawn up from the one before by saying what changes.
//!
//! Invariant: whatever the change does not name stays as it stands in the version before, byte for
//! byte: keys, limits, clocks, texts, also those that this program could not have written itself.
//! Called by the shell's `ceremony`; signatures come afterwards.

use super::{
    document::{Document, DocumentKind},
    error::DocumentError,
    make::PartyDraft,
    read::AccordText,
};
use crate::{
    id::{NetworkId, PartyCode},
    keys::{ALG_ED25519, ALG_ML_DSA_44, AuthorityPublic, Fingerprint},
    limits::DOCUMENT_MAX,
    primitives::SignPublic,
    time::Timestamp,
    wire,
};
use bytes::Bytes;

/// What is different in the next version.
#[derive(Clone, Debug)]
pub struct Amendment {
    /// Another name for the agreement.
    pub name: Option<String>,
    /// Parties that come in, or that stand otherwise than before.
    pub put: Vec<PartyDraft>,
    /// Parties that leave.
    pub remove: Vec<PartyCode>,
    /// STATE parties that must sign the version after this one.
    pub threshold: Option<usize>,
    /// When it is drawn up.
    pub made_at: Timestamp,
}

/// The version after `before`, without signatures.
///
/// # Errors
/// `before` is no accord, a party that should leave is not in it, or the result breaks a rule.
pub fn amend(before: &Document, change: &Amendment) -> Result<Document, DocumentError> {
    let text = AccordText::read(before)?;
    let mut payload: wire::Accord = wire::decode_canonical(before.payload(), DOCUMENT_MAX)?;
    for code in &change.remove {
        if !text.parties.contains_key(code) {
            return Err(DocumentError::UnknownParty(code.to_string()));
        }
        payload.parties.retain(|party| party.code != code.as_str());
    }
    for draft in &change.put {
        payload.parties.retain(|party| party.code != draft.code.as_str());
        payload.parties.push(wire::accord::Party {
            code: draft.code.to_string(),
            role: draft.role.code(),
            name: draft.name.clone(),
            keys: draft.authority.to_wire(),
        });
    }
    payload.parties.sort_by(|a, b| a.code.cmp(&b.code));
    let network = text.network.unwrap_or(NetworkId(before.digest().0));
    payload.network = Bytes::copy_from_slice(&network.0);
    payload.previous = Bytes::copy_from_slice(&before.digest().0);
    payload.version = payload.version.saturating_add(1);
    payload.made_at = change.made_at.0;
    if let Some(name) = &change.name {
        payload.name.clone_from(name);
    }
    if let Some(threshold) = change.threshold {
        payload.threshold = u32::try_from(threshold).unwrap_or(u32::MAX);
    }
    let document = Document::unsigned(DocumentKind::Accord, wire::encode(&payload));
    AccordText::read(&document)?;
    Ok(document)
}

/// The authority keys of each party of an accord, as on its card: what a signer compares.
///
/// # Errors
/// It is no accord.
pub fn authorities(
    accord: &Document,
) -> Result<Vec<(PartyCode, Vec<AuthorityPublic>)>, DocumentError> {
    AccordText::read(accord)?;
    let payload: wire::Accord = wire::decode_canonical(accord.payload(), DOCUMENT_MAX)?;
    let one = |party: &wire::accord::Party| Ok((PartyCode::new(&party.code)?, pairs(&party.keys)));
    payload.parties.iter().map(one).collect()
}

/// The fingerprints of [`authorities`].
///
/// # Errors
/// It is no accord.
pub fn fingerprints(
    accord: &Document,
) -> Result<Vec<(PartyCode, Vec<Fingerprint>)>, DocumentError> {
    let all = authorities(accord)?.into_iter();
    Ok(all.map(|(code, keys)| (code, keys.iter().map(|k| k.fingerprint()).collect())).collect())
}

/// Each Ed25519 key with the ML-DSA-44 key that stands beside it.
fn pairs(keys: &[wire::PublicKey]) -> Vec<AuthorityPublic> {
    let of = |alg| keys.iter().filter(move |key| key.alg == alg).map(|key| &key.bytes[..]);
    let pair = |(sign, dsa): (&[u8], &[u8])| {
        let sign = SignPublic::check(sign.try_into().ok()?).ok()?;
        Some(AuthorityPublic { sign, dsa: Box::new(dsa.try_into().ok()?) })
    };
    of(ALG_ED25519).zip(of(ALG_ML_DSA_44)).filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::{
        accord::{Founded, Role, count_signatures, sample},
        keys::AuthorityKeys,
        primitives::Entropy,
    };

    fn founded() -> Founded {
        let parties: [(&str, Role, &[&str]); 2] =
            [("AAA", Role::State, &["mfa"]), ("BBB", Role::State, &["mfa"])];
        sample(&parties, &mut Entropy::new(&[1; 32])).unwrap()
    }

    fn change() -> Amendment {
        let (name, threshold) = (None, None);
        Amendment { name, put: vec![], remove: vec![], threshold, made_at: Timestamp(7) }
    }

    fn newcomer(code: &str) -> PartyDraft {
        PartyDraft {
            code: PartyCode::new(code).unwrap(),
            name: code.to_owned(),
            role: Role::State,
            authority: AuthorityKeys::generate(&mut Entropy::new(&[9; 32])).public(),
        }
    }

    #[test]
    fn the_next_version_is_the_one_before_but_for_what_changes() {
        let founded = founded();
        let first = Document::decode(&founded.accord).unwrap();
        let change = Amendment { put: vec![newcomer("CCC")], ..change() };
        let second = amend(&first, &change).unwrap();
        let (before, after) =
            (AccordText::read(&first).unwrap(), AccordText::read(&second).unwrap());
        assert_eq!((after.version, after.previous), (2, Some(first.digest())));
        assert_eq!(after.network, Some(founded.network));
        assert_eq!(
            after.parties.keys().map(PartyCode::as_str).collect::<Vec<_>>(),
            ["AAA", "BBB", "CCC"]
        );
        assert_eq!(after.threshold, before.threshold);
        let prints = fingerprints(&second).unwrap();
        assert_eq!(prints[0], fingerprints(&first).unwrap()[0], "keys are carried over");
        assert_eq!(prints[2].1, [newcomer("CCC").authority.fingerprint()]);
        // It counts on the signatures of the version before.
        let signed = second.signed_by(&founded.authorities[&PartyCode::new("AAA").unwrap()].sign);
        assert_eq!(count_signatures(&signed, &after, Some(&before)).unwrap().have.len(), 1);
        let third = amend(&signed, &change_of("BBB")).unwrap();
        assert_eq!(AccordText::read(&third).unwrap().network, Some(founded.network));
    }

    fn change_of(leaves: &str) -> Amendment {
        Amendment { remove: vec![PartyCode::new(leaves).unwrap()], threshold: Some(1), ..change() }
    }

    #[test]
    fn a_change_that_breaks_a_rule_is_told() {
        let first = Document::decode(&founded().accord).unwrap();
        let gone = amend(&first, &change_of("ZZZ"));
        assert!(matches!(gone, Err(DocumentError::UnknownParty(_))));
        let none = amend(&first, &Amendment { threshold: Some(3), ..change() });
        assert!(matches!(none, Err(DocumentError::Field { field: "threshold", .. })));
        assert!(authorities(&Document::unsigned(DocumentKind::Charter, vec![])).is_err());
    }
}
