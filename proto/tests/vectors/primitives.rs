//! Area `primitives`: keys, signatures, derivations (`docs/spec/primitives.md`).
//!
//! `test` names the operation; the other fields are its arguments and, where it succeeds, `result`.

use cbm_proto::id::{KeyId, unhex};
use cbm_proto::primitives::{
    DsaSecret, Entropy, EpochPublic, EpochSecret, KeyError, SignPublic, SignSecret, aead_open,
    aead_seal, digest, hkdf, hmac,
};

use crate::file::Vector;

pub(crate) fn check(vector: &Vector) -> Result<String, String> {
    let result = match vector.word("test").ok_or("no field `test`")? {
        "ed25519-key" => return sign_key(vector).map(|key| word(key.map(|_| ()))),
        "ed25519" => return signature(vector),
        "epoch-key" => return epoch_key(vector),
        "epoch-seed" => EpochSecret::from_seed(&vector.array("seed")?).id().0.to_vec(),
        "dsa-seed" => {
            DsaSecret::id_of(&DsaSecret::from_seed(&vector.array("seed")?).public()).0.to_vec()
        }
        "sign-seed" => SignSecret::from_seed(&vector.array("seed")?).public().id().0.to_vec(),
        "digest" => digest(domain(vector)?, &[&vector.bytes("message")?]).0.to_vec(),
        "hmac" => {
            hmac(&vector.array("key")?, domain(vector)?, &[&vector.bytes("message")?]).to_vec()
        }
        "hkdf" => {
            let (key, salt) = (vector.bytes("key")?, vector.bytes("salt")?);
            hkdf(&key, &salt, domain(vector)?, &[&vector.bytes("info")?]).to_vec()
        }
        "entropy" => Entropy::new(&vector.array("seed")?).bytes::<80>().to_vec(),
        "archive" => {
            let (key, aad) = (vector.array("key")?, vector.bytes("aad")?);
            match aead_open(&key, &aad, &vector.bytes("sealed")?) {
                Some(plain) => plain,
                None => return Ok("refused".to_owned()),
            }
        }
        other => return Err(format!("no test `{other}`")),
    };
    let expected = vector.bytes("result")?;
    Ok(if result == expected { "ok" } else { "other_result" }.to_owned())
}

fn domain(vector: &Vector) -> Result<&str, String> {
    vector.word("domain").ok_or_else(|| "no field `domain`".to_owned())
}

fn sign_key(vector: &Vector) -> Result<Result<SignPublic, KeyError>, String> {
    Ok(SignPublic::check(vector.array("key")?))
}

fn signature(vector: &Vector) -> Result<String, String> {
    Ok(match sign_key(vector)? {
        Err(error) => word(Err(error)),
        Ok(key) => {
            let good = key.verify_raw(&vector.bytes("message")?, &vector.array("signature")?);
            if good { "ok" } else { "bad_signature" }.to_owned()
        }
    })
}

fn epoch_key(vector: &Vector) -> Result<String, String> {
    let checked = EpochPublic::check(&vector.bytes("x")?, &vector.bytes("kem")?);
    match (&checked, vector.array::<16>("result")) {
        (Ok(key), Ok(id)) if key.id() != KeyId(id) => Ok("other_result".to_owned()),
        _ => Ok(word(checked.map(|_| ()))),
    }
}

fn word(checked: Result<(), KeyError>) -> String {
    match checked {
        Ok(()) => "ok",
        Err(KeyError::NotAPoint) => "not_a_point",
        Err(KeyError::NotCanonical) => "not_canonical",
        Err(KeyError::SmallOrder) => "small_order",
        Err(KeyError::MixedOrder) => "mixed_order",
        Err(KeyError::Length) => "length",
        Err(KeyError::Kem) => "kem",
    }
    .to_owned()
}

fn test(expect: &str, note: &str, name: &str) -> Vector {
    Vector::new(expect, note).with_word("test", name)
}

pub(crate) fn make() -> Vec<(&'static str, Vector)> {
    [hashes(), seeds(), ed25519_keys(), ed25519_signatures(), epoch_keys(), archive()].concat()
}

fn hashes() -> Vec<(&'static str, Vector)> {
    let (key, message) = ([7; 32], b"message");
    let domain = |note: &str, name: &str| test("ok", note, name).with_word("domain", "example");
    vec![
        (
            "primitives_digest",
            domain("SHA-256 of cbm/1/example, a zero byte, message", "digest")
                .with("message", message)
                .with("result", digest("example", &[message]).0),
        ),
        (
            "primitives_hmac",
            domain("HMAC-SHA-256 of the same", "hmac")
                .with("key", key)
                .with("message", message)
                .with("result", hmac(&key, "example", &[message])),
        ),
        (
            "primitives_hkdf",
            domain("HKDF-SHA-256, info is cbm/1/example, a zero byte, info", "hkdf")
                .with("key", key)
                .with("salt", b"salt")
                .with("info", b"info")
                .with("result", hkdf(&key, b"salt", "example", &[b"info"])),
        ),
        (
            "primitives_entropy",
            test("ok", "ChaCha20 keystream, nonce and counter zero, 80 bytes", "entropy")
                .with("seed", key)
                .with("result", Entropy::new(&key).bytes::<80>()),
        ),
    ]
}

fn seeds() -> Vec<(&'static str, Vector)> {
    let seed = [7; 32];
    let dsa = DsaSecret::id_of(&DsaSecret::from_seed(&seed).public());
    let of = |note: &str, name: &str, id: KeyId| {
        test("ok", note, name).with("seed", seed).with("result", id.0)
    };
    vec![
        (
            "primitives_seed_sign",
            of(
                "key id of an Ed25519 seed",
                "sign-seed",
                SignSecret::from_seed(&seed).public().id(),
            ),
        ),
        ("primitives_seed_dsa", of("key id of an ML-DSA-44 seed", "dsa-seed", dsa)),
        (
            "primitives_seed_epoch",
            of("key id of an epoch key's seed", "epoch-seed", EpochSecret::from_seed(&seed).id()),
        ),
    ]
}

fn ed25519_keys() -> Vec<(&'static str, Vector)> {
    let key = |expect: &str, note: &str, key: &str| {
        test(expect, note, "ed25519-key").with("key", unhex(key).unwrap())
    };
    let identity = "0100000000000000000000000000000000000000000000000000000000000000";
    let order_2 = "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f";
    let order_4 = "0000000000000000000000000000000000000000000000000000000000000000";
    let second = "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f";
    let negative_zero = "0100000000000000000000000000000000000000000000000000000000000080";
    let off = "0200000000000000000000000000000000000000000000000000000000000000";
    let rfc = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    vec![
        ("primitives_key_rfc8032", key("ok", "RFC 8032, 7.1, test 1", rfc)),
        ("primitives_key_identity", key("small_order", "the neutral element", identity)),
        ("primitives_key_order_2", key("small_order", "y = -1", order_2)),
        ("primitives_key_order_4", key("small_order", "y = 0", order_4)),
        ("primitives_key_y_above_p", key("not_canonical", "y = p + 1, read as 1", second)),
        (
            "primitives_key_negative_zero",
            key("not_canonical", "x = 0 with its sign bit set", negative_zero),
        ),
        ("primitives_key_off_curve", key("not_a_point", "y = 2", off)),
    ]
}

/// Cases of "Taming the many EdDSAs" (Chalkias, Garillot, Nikolaenko, SSR 2020), table 6.
const CASES: [(&str, &str, &str, [&str; 4]); 8] = [
    (
        "primitives_eddsa_case_0",
        "small_order",
        "S = 0, A and R of small order",
        [
            "8c93255d71dcab10e8f379c26200f3c7bd5f09d9bc3068d3ef4edeb4853022b6",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "0000000000000000000000000000000000000000000000000000000000000000",
        ],
    ),
    (
        "primitives_eddsa_case_1",
        "small_order",
        "A of small order, R of mixed order",
        [
            "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
            "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
            "a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04",
        ],
    ),
    (
        "primitives_eddsa_case_2",
        "mixed_order",
        "A of mixed order, R of small order",
        [
            "aebf3f2601a0c8c5d39cc7d8911642f740b78168218da8471772b35f9d35b9ab",
            "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
            "8c4bd45aecaca5b24fb97bc10ac27ac8751a7dfe1baff8b953ec9f5833ca260e",
        ],
    ),
    (
        "primitives_eddsa_case_3",
        "mixed_order",
        "A and R of mixed order, good by every equation",
        [
            "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
            "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
            "9046a64750444938de19f227bb80485e92b83fdb4b6506c160484c016cc1852f",
            "87909e14428a7a1d62e9f22f3d3ad7802db02eb2e688b6c52fcd6648a98bd009",
        ],
    ),
    (
        "primitives_eddsa_case_4",
        "mixed_order",
        "good with cofactor, bad without",
        [
            "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
            "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
            "160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed512",
            "5ec6bc982a269b723e0668e540911a9a6a58921d6925e434ab10aa7940551a09",
        ],
    ),
    (
        "primitives_eddsa_case_5",
        "mixed_order",
        "good only if 8 h is not reduced",
        [
            "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
            "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
            "21122a84e0b5fca4052f5b1235c80a537878b38f3142356b2c2384ebad4668b7",
            "e40bc836dac0f71076f9abe3a53f9c03c1ceeeddb658d0030494ace586687405",
        ],
    ),
    (
        "primitives_eddsa_case_6",
        "bad_signature",
        "S above the group order",
        [
            "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
            "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
            "e96f66be976d82e60150baecff9906684aebb1ef181f67a7189ac78ea23b6c0e",
            "547f7690a0e2ddcd04d87dbc3490dc19b3b3052f7ff0538cb68afb369ba3a514",
        ],
    ),
    (
        "primitives_eddsa_case_7",
        "bad_signature",
        "S far above the group order",
        [
            "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
            "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
            "8ce5b96c8f26d0ab6c47958c9e68b937104cd36e13c33566acd2fe8d38aa1942",
            "7e71f98a473474f2f13f06f97c20d58cc3f54b8bd0d272f42b695dd7e89a8c22",
        ],
    ),
];

fn ed25519_signatures() -> Vec<(&'static str, Vector)> {
    let case = |expect: &str, note: &str, [message, key, r, s]: [&str; 4]| {
        test(expect, note, "ed25519")
            .with("key", unhex(key).unwrap())
            .with("message", unhex(message).unwrap())
            .with("signature", unhex(&[r, s].concat()).unwrap())
    };
    let rfc = [
        "af82",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac",
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ];
    let good = ("primitives_eddsa_rfc8032", case("ok", "RFC 8032, 7.1, test 3", rfc));
    let cases = CASES.map(|(name, expect, note, parts)| (name, case(expect, note, parts)));
    [good].into_iter().chain(cases).collect()
}

fn epoch_keys() -> Vec<(&'static str, Vector)> {
    let good = EpochSecret::from_seed(&[7; 32]);
    let (x, kem) = (*good.public().x(), *good.public().kem());
    let key = |expect: &str, note: &str, x: &[u8], kem: &[u8]| {
        test(expect, note, "epoch-key").with("x", x).with("kem", kem)
    };
    let low = |note: &str, x: &str| key("small_order", note, &unhex(x).unwrap(), &kem);
    let mut above = [0xff; 32];
    (above[0], above[31]) = (0xed, 0x7f);
    let mut masked = x;
    masked[31] |= 0x80;
    let mut range = kem;
    (range[0], range[1]) = (0xff, range[1] | 0x0f);
    let order_8 = "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800";
    let other_8 = "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157";
    vec![
        (
            "primitives_epoch_key",
            key("ok", "the key of seed 07…07", &x, &kem).with("result", good.id().0),
        ),
        ("primitives_epoch_zero", low("u = 0", &"00".repeat(32))),
        ("primitives_epoch_order_8", low("a point of order 8", order_8)),
        ("primitives_epoch_order_8_other", low("the other point of order 8", other_8)),
        ("primitives_epoch_u_is_p", key("not_canonical", "u = p, read as 0", &above, &kem)),
        (
            "primitives_epoch_top_bit",
            key("not_canonical", "a good key with the bit that RFC 7748 masks", &masked, &kem),
        ),
        ("primitives_epoch_kem_range", key("kem", "a coefficient of 4,095, above q", &x, &range)),
        ("primitives_epoch_kem_short", key("length", "1,183 bytes", &x, &kem[1..])),
    ]
}

fn archive() -> Vec<(&'static str, Vector)> {
    let sealed = aead_seal(&[7; 32], [8; 24], b"context", b"content key");
    let mut bit = sealed.clone();
    bit[30] ^= 1;
    let kept = |expect: &str, note: &str, aad: &[u8], sealed: &[u8]| {
        test(expect, note, "archive").with("key", [7; 32]).with("aad", aad).with("sealed", sealed)
    };
    vec![
        (
            "primitives_archive",
            kept("ok", "nonce, then XChaCha20-Poly1305", b"context", &sealed)
                .with("result", b"content key"),
        ),
        ("primitives_archive_bit", kept("refused", "one bit differs", b"context", &bit)),
        (
            "primitives_archive_context",
            kept("refused", "sealed for another purpose", b"other", &sealed),
        ),
    ]
}
