//! Stanzas: the content key and the status, wrapped for one station each, recipients blinded.
//!
//! A stanza is bound to its envelope four times over: the tag by the place in the feed, the psk by
//! `H(H0 ‖ fkc)`, the Noise prologue by that and by the body's digest (so no recipient, who knows
//! the content key, can put another body under valid stanzas), the signature by the set's digest.

use zeroize::Zeroizing;

use super::{FileKey, OpenError, PairSecret, Recipient};
use crate::envelope::{Envelope, Header, Recipients};
use crate::id::Digest;
use crate::limits::STANZA_LEN;
use crate::primitives::{
    Entropy, EpochPublic, EpochSecret, KEM_CT_LEN, KPSK0_OVERHEAD, digest, hkdf, kpsk0_open,
    kpsk0_seal,
};
use crate::seal::pair::TAG_LEN;

/// What a stanza carries: content key and status, bytes.
const PAYLOAD_LEN: usize = 33;

const _: () = assert!(STANZA_LEN == TAG_LEN + KEM_CT_LEN + PAYLOAD_LEN + KPSK0_OVERHEAD);

/// Stanzas for all recipients and as many throw-away keys as make a power of two, in ascending order
/// of their tags. `header` is complete but for the stanzas' digest; `code` is that of the status, with
/// [`super::HANDS_OUT`] where the letter hands out a sender key.
pub(super) fn seal_all(
    header: &Header,
    code: u8,
    key: &FileKey,
    from: &EpochSecret,
    recipients: &[Recipient<'_>],
    entropy: &mut Entropy,
) -> Vec<u8> {
    let mut payload = Zeroizing::new([0; PAYLOAD_LEN]);
    payload[..32].copy_from_slice(key.as_bytes());
    payload[32] = code;
    let mut set: Vec<Vec<u8>> =
        recipients.iter().map(|to| seal_one(header, &payload, from, to, entropy)).collect();
    while !set.len().is_power_of_two() {
        let nobody = EpochSecret::from_seed(&entropy.bytes());
        let pair = PairSecret::new(from, nobody.public(), &header.network);
        let to = Recipient { epoch: nobody.public(), pair: &pair };
        set.push(seal_one(header, &payload, from, &to, entropy));
    }
    set.sort_unstable();
    set.concat()
}

fn seal_one(
    header: &Header,
    payload: &[u8; PAYLOAD_LEN],
    from: &EpochSecret,
    to: &Recipient<'_>,
    entropy: &mut Entropy,
) -> Vec<u8> {
    let (ct, shared) = to.epoch.encapsulate(entropy);
    let binding = Binding::new(header, to.epoch, &ct);
    let psk = binding.psk(&shared);
    #[allow(
        clippy::expect_used,
        reason = "fails for low-order keys only, which are never checked in"
    )]
    let noise = kpsk0_seal(from, to.epoch, &psk, &binding.prologue(header), payload, entropy)
        .expect("checked keys agree");
    let mut stanza = Vec::with_capacity(STANZA_LEN);
    stanza.extend_from_slice(&to.pair.tag(header, &to.epoch.id()));
    stanza.extend_from_slice(&ct);
    stanza.extend_from_slice(&noise);
    stanza
}

/// Place of the stanza with our tag, if the set is with us and has one. Costs one HMAC and a search
/// in 2^n tags.
#[must_use]
pub fn find_stanza(envelope: &Envelope, pair: &PairSecret) -> Option<usize> {
    let Recipients::Stanzas(_) = envelope.header().recipients else { return None };
    let tag = pair.my_tag(envelope.header());
    envelope.stanzas()?.chunks_exact(STANZA_LEN).position(|stanza| stanza.starts_with(&tag))
}

/// Opens one stanza: the content key and the code of the status.
pub(super) fn open(
    envelope: &Envelope,
    index: usize,
    me: &EpochSecret,
    author: &EpochPublic,
) -> Result<(FileKey, u8), OpenError> {
    let stanzas = envelope.stanzas().ok_or(OpenError::Incomplete)?;
    let stanza = stanzas.chunks_exact(STANZA_LEN).nth(index).ok_or(OpenError::Stanza)?;
    let (ct, noise) =
        stanza[TAG_LEN..].split_first_chunk::<KEM_CT_LEN>().ok_or(OpenError::Stanza)?;
    let header = envelope.header();
    let binding = Binding::new(header, me.public(), ct);
    let psk = binding.psk(&me.decapsulate(ct));
    let payload =
        kpsk0_open(me, author, &psk, &binding.prologue(header), noise).ok_or(OpenError::Stanza)?;
    match payload.split_first_chunk::<32>() {
        Some((key, &[status])) => Ok((FileKey::from_bytes(key), status)),
        _ => Err(OpenError::Stanza),
    }
}

/// What ties a stanza to its envelope and its recipient.
struct Binding {
    context: Digest,
    kem_key: Digest,
    ct: Digest,
}

impl Binding {
    fn new(header: &Header, to: &EpochPublic, ct: &[u8; KEM_CT_LEN]) -> Self {
        Self {
            context: header.context_digest(),
            kem_key: *to.kem_digest(),
            ct: digest("kem-ct", &[ct]),
        }
    }

    fn psk(&self, shared: &[u8; 32]) -> Zeroizing<[u8; 32]> {
        let info: [&[u8]; 2] = [&self.kem_key.0, &self.ct.0];
        Zeroizing::new(hkdf(shared, self.context.as_bytes(), "psk", &info))
    }

    fn prologue(&self, header: &Header) -> Vec<u8> {
        let label: &[u8] = b"cbm/1/stanza\0";
        [label, &self.context.0, &header.body.0, &self.kem_key.0, &self.ct.0].concat()
    }
}
