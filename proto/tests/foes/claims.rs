//! Peers that claim too much, accuse others, or waste what is asked of them.

use cbm_proto::sync::Say;

use crate::forge::{claim, claims, feed, wanted};
use crate::letter_of_a_puppet;

#[test]
fn claims_at_the_end_of_all_numbers_are_asked_for_once() {
    let (mut hall, _) = letter_of_a_puppet();
    let end = claims(feed(&hall, "BBB/mfa"), &[(u64::MAX, u64::MAX)]);
    claim(&mut hall, "AAA/mfa", "BBB/mfa", vec![end.clone(), end]);
    let asked: u64 = wanted(&mut hall, "BBB/mfa").iter().map(|(_, count)| count).sum();
    assert_eq!(asked, 1);
}

#[test]
fn an_absurd_claim_is_asked_for_in_bounded_pieces_and_forgotten_when_nothing_comes() {
    let (mut hall, _) = letter_of_a_puppet();
    let absurd = claims(feed(&hall, "BBB/mfa"), &[(1, 1_000_000_000_000_000)]);
    claim(&mut hall, "AAA/mfa", "BBB/mfa", vec![absurd]);
    let asked = wanted(&mut hall, "BBB/mfa");
    assert_eq!(asked.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [256; 4]);
    for (id, _) in asked {
        hall.answer_as("BBB/mfa", "AAA/mfa", id, &Say::Envelopes(vec![], true));
    }
    assert_eq!(wanted(&mut hall, "BBB/mfa"), []);
}
