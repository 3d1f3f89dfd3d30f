//! The fixed wording of a human acknowledgement (invariant I8).
//!
//! It is rendered by the reader from the level alone and never travels, so no sender can edit it.
//! Basis: the 2021 report of the UN Group of Governmental Experts on norm 13(c), by which an
//! acknowledgement of receipt does not indicate concurrence.

/// English and the other official languages of the United Nations, with the wording in each.
const WORDING: [(&str, &str); 6] = [
    ("en", "received; does not indicate concurrence"),
    ("ar", "تم الاستلام؛ ولا يعني ذلك الموافقة"),
    ("zh", "已收到；不表示同意"),
    ("fr", "reçu ; ne vaut pas accord"),
    ("ru", "получено; не означает согласия"),
    ("es", "recibido; no indica conformidad"),
];

/// Languages in which the wording exists.
pub const LANGUAGES: [&str; 6] = ["en", "ar", "zh", "fr", "ru", "es"];

/// The wording of L4 in the language of a BCP 47 tag; English where it does not exist.
#[must_use]
pub fn fixed_text(bcp47: &str) -> &'static str {
    let language = bcp47.split('-').next().unwrap_or_default().to_ascii_lowercase();
    WORDING.iter().find(|(tag, _)| *tag == language).map_or(WORDING[0].1, |(_, text)| text)
}
