//! The 256 words in which fingerprints are read aloud.
//!
//! Invariants: sorted, no two share their first three letters, so that a half-heard or shortened
//! word still names one byte. The list is the project's own; its order is part of the format and
//! never changes (`docs/spec/documents.md`). Used for fingerprints and for the words of an identity check
//! (`docs/spec/letter.md`).

/// One word per value of a byte.
pub(super) const WORDS: [&str; 256] = [
    "acorn", "active", "adobe", "airport", "album", "alpine", "amber", "anchor", "angle", "antler",
    "apple", "apron", "arctic", "arena", "armour", "arrow", "atlas", "autumn", "avenue", "axis",
    "badge", "baker", "balcony", "bamboo", "banner", "barrel", "basket", "beacon", "bedrock",
    "beetle", "belfry", "bicycle", "biscuit", "blanket", "blossom", "bonfire", "border", "bottle",
    "boulder", "breeze", "bridge", "bronze", "bucket", "buffalo", "button", "cabin", "cactus",
    "camel", "candle", "carbon", "castle", "caviar", "cedar", "cello", "chapel", "cherry",
    "chimney", "cinema", "circle", "citrus", "clarinet", "clover", "cobalt", "coffee", "compass",
    "copper", "coral", "cotton", "cradle", "crystal", "cuckoo", "curtain", "cypress", "daisy",
    "dancer", "dawn", "december", "delta", "desert", "diamond", "dipper", "dolphin", "domino",
    "donkey", "dragon", "drizzle", "dune", "eagle", "early", "echo", "eclipse", "elbow", "elder",
    "elephant", "emblem", "emerald", "engine", "envelope", "equator", "evening", "falcon",
    "family", "feather", "fennel", "ferry", "fiddle", "figure", "finger", "flamingo", "flute",
    "forest", "fossil", "fountain", "freezer", "frost", "furnace", "galaxy", "garden", "gazelle",
    "gimlet", "giraffe", "glacier", "goblet", "golden", "granite", "guitar", "gypsum", "hammer",
    "harbour", "hazel", "hedge", "helmet", "heron", "hickory", "holiday", "honey", "horizon",
    "hotel", "humble", "hurdle", "iceberg", "igloo", "indigo", "insect", "island", "ivory",
    "jacket", "jasmine", "jelly", "jigsaw", "jockey", "journal", "jubilee", "jungle", "kayak",
    "kernel", "kettle", "kingdom", "kitchen", "koala", "ladder", "lagoon", "lantern", "laurel",
    "lemon", "leopard", "library", "lilac", "linen", "lobster", "lotus", "lunar", "lyric",
    "magnet", "maple", "marble", "meadow", "melon", "mercury", "meteor", "mineral", "mirror",
    "mosaic", "motor", "muffin", "museum", "napkin", "nectar", "needle", "nickel", "noble",
    "north", "november", "nutmeg", "oasis", "oblong", "ocean", "octave", "olive", "onion", "opal",
    "orange", "orbit", "orchard", "otter", "oxygen", "oyster", "pagoda", "palace", "panther",
    "paper", "parade", "pebble", "pelican", "pepper", "piano", "pigeon", "pilot", "planet",
    "plume", "polar", "pony", "poppy", "potato", "prairie", "pumpkin", "puzzle", "quarry",
    "quiver", "rabbit", "radar", "raven", "reef", "ribbon", "river", "rocket", "saddle", "salmon",
    "sapphire", "silver", "summer", "sunset", "tango", "temple", "thunder", "tiger", "timber",
    "topaz", "tulip", "turtle", "umbrella", "valley", "velvet", "violin", "walnut", "zebra",
];

/// One word a byte, to be read aloud.
#[must_use]
pub fn words_of(bytes: &[u8]) -> String {
    bytes.iter().map(|b| WORDS[usize::from(*b)]).collect::<Vec<_>>().join(" ")
}

/// The byte of a word in any case, which may be cut short or misspelt behind its third letter.
#[must_use]
pub fn word_of(word: &str) -> Option<u8> {
    let head = word.get(..3)?.to_ascii_lowercase();
    let place = WORDS.binary_search_by(|known| known[..3].cmp(&head)).ok()?;
    u8::try_from(place).ok()
}
