//! `Noise_Kpsk0_25519_ChaChaPoly_SHA256` as one message: what wraps a letter's key for a station.
//!
//! snow neither wipes its keys nor refuses points of low order, and draws from the system. All three
//! come through its resolver here: secrets live in wiping types, a Diffie-Hellman result that does
//! not depend on both sides is an error, and the ephemeral key is drawn from [`Entropy`]. snow takes
//! keys as slices of any length; only checked types reach it.

use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, Error};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::{Entropy, EpochPublic, EpochSecret};

const PATTERN: &str = "Noise_Kpsk0_25519_ChaChaPoly_SHA256";

/// What the pattern adds to a payload: ephemeral key 32, tag 16, bytes.
pub const KPSK0_OVERHEAD: usize = 48;

/// Draws for one handshake; wiped with it.
struct Seeded(Entropy);

impl Random for Seeded {
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Error> {
        rand_core::Rng::fill_bytes(&mut self.0, out);
        Ok(())
    }
}

/// X25519 that wipes its secret and errs where the result depends on no secret.
struct WipingDh {
    secret: StaticSecret,
    public: [u8; 32],
}

impl Default for WipingDh {
    fn default() -> Self {
        Self { secret: StaticSecret::from([0; 32]), public: [0; 32] }
    }
}

impl Dh for WipingDh {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, secret: &[u8]) {
        let mut bytes = Zeroizing::new([0; 32]);
        bytes.copy_from_slice(secret);
        self.secret = StaticSecret::from(*bytes);
        self.public = PublicKey::from(&self.secret).to_bytes();
    }

    fn generate(&mut self, random: &mut dyn Random) -> Result<(), Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        random.try_fill_bytes(&mut *bytes)?;
        self.set(&*bytes);
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        &self.public
    }

    fn privkey(&self) -> &[u8] {
        self.secret.as_bytes()
    }

    fn dh(&self, public: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let public: [u8; 32] = *public.first_chunk().ok_or(Error::Dh)?;
        let shared = self.secret.diffie_hellman(&PublicKey::from(public));
        if !shared.was_contributory() {
            return Err(Error::Dh);
        }
        out.get_mut(..32).ok_or(Error::Dh)?.copy_from_slice(shared.as_bytes());
        Ok(())
    }
}

/// Everything else as snow does it.
struct Resolver(Zeroizing<[u8; 32]>);

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Seeded(Entropy::new(&self.0))))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        matches!(choice, DHChoice::Curve25519).then(|| Box::<WipingDh>::default() as Box<dyn Dh>)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

fn builder<'a>(pattern: &str, seed: Zeroizing<[u8; 32]>) -> Result<Builder<'a>, Error> {
    Ok(Builder::with_resolver(pattern.parse()?, Box::new(Resolver(seed))))
}

/// Seals `payload` from one station to another under `psk` and `prologue`.
///
/// `None` only where a key is of low order, which no checked key is.
#[must_use]
pub fn kpsk0_seal(
    from: &EpochSecret,
    to: &EpochPublic,
    psk: &[u8; 32],
    prologue: &[u8],
    payload: &[u8],
    entropy: &mut Entropy,
) -> Option<Vec<u8>> {
    let seed = Zeroizing::new(entropy.bytes());
    let seal = || -> Result<Vec<u8>, Error> {
        let mut state = builder(PATTERN, seed)?
            .psk(0, psk)?
            .prologue(prologue)?
            .local_private_key(from.x_secret().as_bytes())?
            .remote_public_key(to.x())?
            .build_initiator()?;
        let mut out = vec![0; payload.len() + KPSK0_OVERHEAD];
        let written = state.write_message(payload, &mut out)?;
        out.truncate(written);
        Ok(out)
    };
    seal().ok()
}

/// Opens what [`kpsk0_seal`] made; `None` if a key, the psk, the prologue or a byte differ.
#[must_use]
pub fn kpsk0_open(
    to: &EpochSecret,
    from: &EpochPublic,
    psk: &[u8; 32],
    prologue: &[u8],
    sealed: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let open = || -> Result<Zeroizing<Vec<u8>>, Error> {
        // The responder of a one-way pattern draws nothing.
        let mut state = builder(PATTERN, Zeroizing::new([0; 32]))?
            .psk(0, psk)?
            .prologue(prologue)?
            .local_private_key(to.x_secret().as_bytes())?
            .remote_public_key(from.x())?
            .build_responder()?;
        let mut out = Zeroizing::new(vec![0; sealed.len()]);
        let read = state.read_message(sealed, &mut out)?;
        out.truncate(read);
        Ok(out)
    };
    open().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::id::{hex, unhex};

    /// Vectors of the cacophony project, as published with snow 0.10 in `tests/vectors`.
    const PROLOGUE: &str = "4a6f686e2047616c74";
    const PSK: &str = "54686973206973206d7920417573747269616e20706572737065637469766521";
    const EPHEMERAL: &str = "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a";
    const INITIATOR: &str = "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1";
    const INITIATOR_PUBLIC: &str =
        "6bc3822a2aa7f4e6981d6538692b3cdf3e6df9eea6ed269eb41d93c22757b75a";
    const RESPONDER: &str = "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893";
    const RESPONDER_PUBLIC: &str =
        "31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62";
    const PAYLOAD: &str = "4c756477696720766f6e204d69736573";

    fn b32(text: &str) -> [u8; 32] {
        unhex(text).unwrap().try_into().unwrap()
    }

    fn first_message(pattern: &str, with_static: bool) -> (String, String) {
        let none = || Zeroizing::new([0; 32]);
        let (psk, prologue, payload) =
            (b32(PSK), unhex(PROLOGUE).unwrap(), unhex(PAYLOAD).unwrap());
        let (secret, remote, ephemeral) = (b32(INITIATOR), b32(RESPONDER_PUBLIC), b32(EPHEMERAL));
        let (mine, peer) = (b32(RESPONDER), b32(INITIATOR_PUBLIC));
        let common = || builder(pattern, none()).unwrap().psk(0, &psk).unwrap();
        let mut sender = common()
            .prologue(&prologue)
            .and_then(|b| b.remote_public_key(&remote))
            .unwrap()
            .fixed_ephemeral_key_for_testing_only(&ephemeral);
        let mut receiver =
            common().prologue(&prologue).and_then(|b| b.local_private_key(&mine)).unwrap();
        if with_static {
            sender = sender.local_private_key(&secret).unwrap();
            receiver = receiver.remote_public_key(&peer).unwrap();
        }
        let mut wire = [0; 128];
        let sent = sender.build_initiator().unwrap().write_message(&payload, &mut wire).unwrap();
        let mut out = [0; 128];
        let mut receiver = receiver.build_responder().unwrap();
        let read = receiver.read_message(&wire[..sent], &mut out).unwrap();
        (hex(&wire[..sent]), hex(&out[..read]))
    }

    #[test]
    fn published_vectors_hold_through_our_resolver() {
        let npsk0 = "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944ecdeee2b0f760b\
                     7dabd274df50ce1eec70bf1c286eb266cd7b2851ee15836c25";
        let kpsk0 = "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c794462220de7094395\
                     cf11c9932009e93db1b1a0748fd7470e3cc6337704c570a3bd";
        let n = first_message("Noise_Npsk0_25519_ChaChaPoly_SHA256", false);
        assert_eq!(n, (npsk0.to_owned(), PAYLOAD.to_owned()));
        let k = first_message(PATTERN, true);
        assert_eq!(k, (kpsk0.to_owned(), PAYLOAD.to_owned()));
    }

    #[test]
    fn opens_for_its_two_stations_psk_and_prologue_only() {
        let [a, b, c] = [1, 2, 3].map(|n| EpochSecret::from_seed(&[n; 32]));
        let mut entropy = Entropy::new(&[5; 32]);
        let sealed = kpsk0_seal(&a, b.public(), &[7; 32], b"pro", b"key", &mut entropy).unwrap();
        assert_eq!(sealed.len(), 3 + KPSK0_OVERHEAD);
        let open = |to: &EpochSecret, from: &EpochSecret, psk: u8, prologue: &[u8]| {
            kpsk0_open(to, from.public(), &[psk; 32], prologue, &sealed)
        };
        assert_eq!(open(&b, &a, 7, b"pro").unwrap().as_slice(), b"key");
        assert!(open(&c, &a, 7, b"pro").is_none());
        assert!(open(&b, &c, 7, b"pro").is_none());
        assert!(open(&b, &a, 8, b"pro").is_none());
        assert!(open(&b, &a, 7, b"con").is_none());
    }

    #[test]
    fn the_resolver_refuses_what_snow_alone_accepts() {
        let mut dh = WipingDh::default();
        dh.set(&[9; 32]);
        let mut out = [0; 32];
        assert!(matches!(dh.dh(&[0; 32], &mut out), Err(Error::Dh)));
        assert!(matches!(dh.dh(&[1; 31], &mut out), Err(Error::Dh)));
        let peer = *EpochSecret::from_seed(&[1; 32]).public().x();
        assert!(dh.dh(&peer, &mut out).is_ok());
    }
}
