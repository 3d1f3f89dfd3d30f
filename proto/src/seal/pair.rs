//! What two stations share by their epoch keys: blinded tags, and the pair lane's pseudonym.
//!
//! One X25519 agreement, made once and kept, so that looking for one's own stanza costs an HMAC and
//! no more. Both rest on X25519 alone (stated in the threats page): whoever breaks it later learns
//! who was written to, not what.

use zeroize::Zeroizing;

use crate::envelope::Header;
use crate::id::{Incarnation, KeyId, LaneId, NetworkId};
use crate::primitives::{EpochPublic, EpochSecret, hkdf, hmac};

/// Length of a tag, bytes.
pub(super) const TAG_LEN: usize = 16;

/// The secret of one pair of epoch keys in one network; wiped when dropped.
pub struct PairSecret {
    me: KeyId,
    peer: KeyId,
    tag_key: Zeroizing<[u8; 32]>,
    lane_key: Zeroizing<[u8; 32]>,
}

impl PairSecret {
    /// Agrees with `peer`; both sides get the same secret.
    #[must_use]
    pub fn new(me: &EpochSecret, peer: &EpochPublic, network: &NetworkId) -> Self {
        #[allow(clippy::expect_used, reason = "an EpochPublic is never of low order, by its check")]
        let shared = me.agree(peer).expect("checked keys agree");
        let (me, peer) = (me.id(), peer.id());
        let [low, high] = if me < peer { [me, peer] } else { [peer, me] };
        let derive = |domain: &str| {
            let ids: [&[u8]; 2] = [&low.0, &high.0];
            Zeroizing::new(hkdf(&*shared, &network.0, domain, &ids))
        };
        Self { me, peer, tag_key: derive("tag-key"), lane_key: derive("pair-key") }
    }

    /// Whether this is the secret of exactly these two keys, in whichever order.
    #[must_use]
    pub fn is_between(&self, one: &KeyId, other: &KeyId) -> bool {
        (self.me, self.peer) == (*one, *other) || (self.peer, self.me) == (*one, *other)
    }

    /// The tag of the stanza for `to` (one of the two keys) in an envelope with this place.
    pub(super) fn tag(&self, header: &Header, to: &KeyId) -> [u8; TAG_LEN] {
        let seq = header.seq.to_be_bytes();
        let Header { network, lane, author, incarnation, .. } = header;
        let place: [&[u8]; 6] = [&network.0, &lane.0, &author.0, &incarnation.0, &seq, &to.0];
        head(&hmac(&self.tag_key, "tag", &place))
    }

    /// The tag that a stanza for us would have.
    pub(super) fn my_tag(&self, header: &Header) -> [u8; TAG_LEN] {
        self.tag(header, &self.me)
    }

    /// The lane on which the station with this incarnation writes to the other of the two: a
    /// pseudonym that only these two can compute.
    #[must_use]
    pub fn pair_lane(&self, author: &Incarnation) -> LaneId {
        LaneId(head(&hmac(&self.lane_key, "pair-lane", &[&author.0])))
    }
}

fn head(full: &[u8; 32]) -> [u8; 16] {
    let mut out = [0; 16];
    out.copy_from_slice(&full[..16]);
    out
}

impl std::fmt::Debug for PairSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PairSecret({:?}, {:?})", self.me, self.peer)
    }
}
