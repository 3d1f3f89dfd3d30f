//! Sentences for communications checks: neutral, harmless, impossible to take for a message.
//!
//! As on other lines of this kind, a check carries words about nothing. They name no state, no
//! time of day that matters, no number, nothing that is done to anybody.

/// The sentences.
pub(super) const SENTENCES: [&str; 20] = [
    "The ferry leaves the harbour at noon and comes back at dusk.",
    "In the garden the quinces ripen later than the pears.",
    "A good carpenter measures twice and saws once.",
    "The lighthouse keeper paints the railing every other spring.",
    "Rain on a tin roof sounds like applause from far away.",
    "The library lends maps of mountains that nobody has climbed.",
    "Bread tastes best on the second day, say the bakers of the valley.",
    "The old clock in the hall is wound on Sundays.",
    "Larks rise early, and the miller rises with them.",
    "The museum keeps a room for barometers and another for bells.",
    "Between two rivers lies an island of willows.",
    "The gardener waters the lemon trees before the sun is high.",
    "A kettle that is watched boils all the same.",
    "The orchestra tunes to the oboe, and the oboe to nobody.",
    "Cranes fly south in an order that they learn from the oldest.",
    "The bookbinder dries his pages under river stones.",
    "On clear evenings the hills across the bay look close.",
    "The tailor keeps buttons of horn in a drawer of walnut.",
    "Snow fell on the vineyards and was gone by breakfast.",
    "The potter lets the kiln cool for as long as it was hot.",
];

/// One of them, by a number that was drawn.
pub(super) fn sentence(drawn: u8) -> &'static str {
    SENTENCES.get(usize::from(drawn) % SENTENCES.len()).copied().unwrap_or(SENTENCES[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_fits_a_check_and_alarms_nobody() {
        let alarming = ["attack", "war", "exercise", "drill", "alert", "now", "urgent", "state"];
        for sentence in SENTENCES {
            assert!(sentence.chars().count() <= 200);
            let lower = sentence.to_lowercase();
            let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).collect();
            assert!(!alarming.iter().any(|word| words.contains(word)), "{sentence}");
        }
        assert_eq!(sentence(0), SENTENCES[0]);
        assert_eq!(sentence(255), SENTENCES[15]);
    }
}
