//! Proof that an author wrote two things where it may write one (`docs/spec/sync.md`, proofs).
//!
//! Level 4. Invariants: a [`Proof`] that [`Proof::check`] passes was made by somebody who has the
//! author's key, whoever hands it on; it needs nothing but the author's documents to be checked, so
//! anybody checks it, off line too; it is below [`PROOF_MAX`] bytes whatever the envelopes were, has
//! one encoding, and shows nothing of them but two headers. Made and kept by `Station`, checked by
//! it and by `cbm journal verify`.

use bytes::Bytes;

use crate::accord::Directory;
use crate::dump::dumped_as_bytes;
use crate::envelope::{Envelope, Kind, Refusal};
use crate::id::{Digest, EnvelopeId, FeedId, KeyId, NetworkId};
use crate::limits::PROOF_MAX;
use crate::primitives::SignPublic;
use crate::wire;

dumped_as_bytes!(Proof, |proof| proof.encode(), |bytes| Self::decode(&bytes).ok());

/// Two signed headers of one feed that no honest author signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    first: Envelope,
    second: Envelope,
}

/// Why something proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Not in the form of a proof.
    #[error("not in the form of a proof: whoever made it must mend its software")]
    Form,
    /// One of the two headers is not what it should be, or its signature is not known to be good.
    #[error("one of its two headers is refused: {0}")]
    Header(#[from] Refusal),
    /// The two do not contradict one another.
    #[error("its two headers do not contradict one another: it accuses without cause")]
    NoContradiction,
}

impl Proof {
    /// Puts two headers of one author together, in either order; each is an [`Envelope::bare`].
    ///
    /// # Errors
    /// [`ProofError::NoContradiction`]; [`ProofError::Form`] where one is more than that.
    pub fn of(one: Envelope, other: Envelope) -> Result<Self, ProofError> {
        let order = |e: &Envelope| (e.header().seq, e.id());
        let (first, second) =
            if order(&one) <= order(&other) { (one, other) } else { (other, one) };
        if !(first.is_bare() && second.is_bare()) {
            return Err(ProofError::Form);
        }
        Self::contradicting(first, second)
    }

    fn contradicting(first: Envelope, second: Envelope) -> Result<Self, ProofError> {
        let (one, two) = (first.header(), second.header());
        let apart = one.network != two.network
            || first.feed() != second.feed()
            || [one, two].iter().any(|header| header.kind == Kind::Beacon);
        let twice = one.seq == two.seq && first.id() < second.id();
        let skipped = one.seq.checked_add(1) == Some(two.seq) && two.prev != Digest(first.id().0);
        if apart || !(twice || skipped) {
            return Err(ProofError::NoContradiction);
        }
        Ok(Self { first, second })
    }

    /// Reads one as it travels and is kept.
    ///
    /// # Errors
    /// [`ProofError`]; no signature is checked, that takes the author's keys and [`Proof::check`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ProofError> {
        let two: wire::Proof =
            wire::decode_canonical(bytes, PROOF_MAX).map_err(|_| ProofError::Form)?;
        Self::from_wire(&two)
    }

    /// The same from the message itself.
    ///
    /// # Errors
    /// As [`Proof::decode`].
    pub fn from_wire(two: &wire::Proof) -> Result<Self, ProofError> {
        if two.first.len() + two.second.len() > PROOF_MAX {
            return Err(ProofError::Form);
        }
        let read = |bytes: &Bytes| Envelope::decode(bytes.clone());
        let (first, second) = (read(&two.first)?, read(&two.second)?);
        if !(first.is_bare() && second.is_bare()) {
            return Err(ProofError::Form);
        }
        Self::contradicting(first, second)
    }

    /// As it travels.
    #[must_use]
    pub fn to_wire(&self) -> wire::Proof {
        wire::Proof { first: self.first.bytes().clone(), second: self.second.bytes().clone() }
    }

    /// As it is kept: below [`PROOF_MAX`] bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        wire::encode(&self.to_wire()).into()
    }

    /// The feed that was written twice; its author is the one whom the proof is against.
    #[must_use]
    pub fn feed(&self) -> FeedId {
        self.first.feed()
    }

    /// The two headers with their signatures, without stanzas and bodies: one number, the smaller id
    /// first; or two numbers after one another, of which the second denies the first.
    #[must_use]
    pub fn headers(&self) -> [&Envelope; 2] {
        [&self.first, &self.second]
    }

    /// Their ids.
    #[must_use]
    pub fn ids(&self) -> [EnvelopeId; 2] {
        [self.first.id(), self.second.id()]
    }

    /// Whether the author signed both, by keys that `key` knows as the author's.
    ///
    /// # Errors
    /// [`ProofError::Header`] with what is wrong: another network, an unknown key, a bad signature.
    pub fn verify<'k>(
        &self,
        network: &NetworkId,
        key: impl Fn(&KeyId) -> Option<&'k SignPublic>,
    ) -> Result<(), ProofError> {
        for envelope in self.headers() {
            if envelope.header().network != *network {
                return Err(Refusal::ForeignNetwork.into());
            }
            let named = envelope.signed_by().next().unwrap_or(envelope.header().epoch);
            envelope.verify(key(&named).ok_or(Refusal::UnknownKey(named))?)?;
        }
        Ok(())
    }

    /// The same with the keys that documents show.
    ///
    /// # Errors
    /// [`ProofError::Header`], also where the author is not known.
    pub fn check(&self, directory: &Directory) -> Result<(), ProofError> {
        let author = directory.member(&self.feed().author).ok_or(Refusal::UnknownAuthor)?;
        self.verify(&directory.network(), |key| author.sign_key(key))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::id::{Incarnation, LaneId, StationId};
    use crate::primitives::SignSecret;
    use crate::seal::{self, Frame};
    use crate::time::Timestamp;

    const NETWORK: NetworkId = NetworkId([1; 32]);

    fn key(n: u8) -> SignSecret {
        SignSecret::from_seed(&[n; 32])
    }

    fn header(seq: u64, prev: Digest, body: &[u8], by: u8) -> Envelope {
        let frame = Frame {
            network: NETWORK,
            accord_version: 1,
            lane: LaneId([2; 16]),
            author: StationId([by; 16]),
            incarnation: Incarnation([4; 16]),
            seq,
            prev,
            made_at: Timestamp(1_795_305_600_000),
        };
        seal::statement(&frame, body, &key(by)).unwrap()
    }

    fn of(one: &Envelope, other: &Envelope) -> Result<Proof, ProofError> {
        let bare = |e: &Envelope| e.bare(&e.signed_by().next().unwrap()).unwrap();
        Proof::of(bare(one), bare(other))
    }

    fn first(body: &[u8]) -> Envelope {
        header(1, Digest([0; 32]), body, 3)
    }

    fn verified(proof: &Proof) -> Result<(), ProofError> {
        let public = key(3).public();
        proof.verify(&NETWORK, |id| (*id == public.id()).then_some(&public))
    }

    #[test]
    fn two_headers_of_one_number_are_a_proof_in_either_order_and_below_4_kb() {
        let (one, other) = (first(&[7; 200_000]), first(b"b"));
        let proof = of(&one, &other).unwrap();
        assert_eq!(of(&other, &one), Ok(proof.clone()), "one form");
        let bytes = proof.encode();
        assert!(bytes.len() < 4_096 && bytes.len() <= PROOF_MAX, "{}", bytes.len());
        let read = Proof::decode(&bytes).unwrap();
        assert_eq!((verified(&read), &read), (Ok(()), &proof));
        assert!(read.headers().iter().all(|e| !e.has_body()), "no text is shown");
    }

    #[test]
    fn a_header_that_denies_the_one_before_it_is_a_proof() {
        let (one, other) = (first(b"a"), first(b"b"));
        let after = header(2, Digest(other.id().0), b"c", 3);
        assert!(verified(&of(&after, &one).unwrap()).is_ok());
        assert_eq!(of(&other, &after), Err(ProofError::NoContradiction));
        let later = header(3, Digest([9; 32]), b"d", 3);
        assert_eq!(of(&one, &later), Err(ProofError::NoContradiction), "2 is not known");
    }

    #[test]
    fn nobody_is_accused_without_its_own_two_signatures() {
        let (one, other) = (first(b"a"), first(b"b"));
        assert_eq!(of(&one, &one), Err(ProofError::NoContradiction));
        let another = header(1, Digest([0; 32]), b"b", 5);
        assert_eq!(of(&one, &another), Err(ProofError::NoContradiction), "two authors");
        let two = of(&one, &other).unwrap().to_wire();
        let swapped = wire::Proof { first: two.second.clone(), second: two.first.clone() };
        assert_eq!(Proof::from_wire(&swapped), Err(ProofError::NoContradiction), "one order");
        let whole = wire::Proof { first: one.bytes().clone(), ..two.clone() };
        let whole_ = wire::Proof { second: other.bytes().clone(), ..two.clone() };
        assert!([whole, whole_].iter().all(|p| Proof::from_wire(p).is_err()), "headers alone");
        for at in 0..two.second.len() {
            let mut bytes = two.second.to_vec();
            bytes[at] ^= 1;
            let forged = wire::Proof { second: bytes.into(), ..two.clone() };
            let held = Proof::from_wire(&forged).and_then(|proof| verified(&proof));
            assert!(held.is_err(), "byte {at} counts");
        }
        let long = [&of(&one, &other).unwrap().encode()[..], &[0; PROOF_MAX]].concat();
        assert_eq!(Proof::decode(&long), Err(ProofError::Form));
    }
}
