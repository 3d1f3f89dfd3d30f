//! Every bound of the protocol, with its arithmetic (invariant I11).
//!
//! Level 0. A number that limits a size, a count or a time stands here and nowhere else, with what
//! happens when it is reached. The assertions below are checked when the crate is compiled.

use crate::time::{DAY, HOUR, MINUTE, SECOND};

/// Largest header, bytes (`docs/spec/envelope.md`). Longer: refused as malformed.
pub const HEADER_MAX: usize = 512;
/// Signatures on one header. Suite 1 needs one; the others are room for ML-DSA-44.
pub const SIGNATURES_MAX: usize = 4;
/// Stanzas on one envelope; a power of two (`docs/spec/seal.md`).
pub const STANZAS_MAX: usize = 256;
/// Bytes of one stanza of suite 1: tag 16, ML-KEM-768 ciphertext 1,088, Noise Kpsk0 message
/// (ephemeral key 32, content key and status 33, tag 16).
pub const STANZA_LEN: usize = 16 + 1_088 + 32 + 33 + 16;
/// Numbers of a feed that one sender key serves: with 1,024 links of 32 bytes at most for letters
/// that are late. Then the author hands out another.
pub const SENDER_KEY_LETTERS: u64 = 1_024;
/// How long an author seals under one sender key.
pub const SENDER_KEY_LIFE: u64 = DAY;
/// Sender keys of one feed that are kept to open letters with; the newest.
pub const SENDER_KEYS_PER_FEED: usize = 4;
/// Feeds of which sender keys are kept; more: those of some are forgotten, and asked for.
pub const SENDER_KEY_FEEDS: usize = 4_096;
/// Letters under sender keys that are not here yet, kept aside in memory, in sum and of one author;
/// above it only their author is asked.
pub const LOCKED_MAX: usize = 256;
/// The same of one author.
pub const LOCKED_PER_AUTHOR: usize = 32;
/// A letter under a sender key that is not here waits so long for it before its author is asked.
pub const LOCKED_WAIT: u64 = 5 * SECOND;
/// How often its author is asked, each time after twice the time; then the letter is given up.
pub const LOCKED_ASKS: u32 = 8;
/// Attachments inside one letter in sum, bytes. What does not fit travels apart, as evidence.
pub const ATTACHMENTS_MAX: usize = 192 * 1024;
/// One file that travels apart, bytes before sealing (`docs/spec/evidence.md`). Larger: refused.
pub const EVIDENCE_MAX: u64 = 1024 * 1024 * 1024;
/// Bytes of evidence in one answer: four pieces, so that a fast line is not held up by its delay.
pub const EVIDENCE_ANSWER_MAX: usize = 256 * 1024;
/// The least that is asked for at once: half a second of a line of 64 kbit/s.
pub const EVIDENCE_ANSWER_MIN: usize = 4 * 1024;
/// Questions for evidence under way to one peer. Further ones wait.
pub const EVIDENCE_ASKED_PER_PEER: usize = 2;
/// Attachments of one letter, number.
pub const ATTACHMENT_COUNT_MAX: usize = 16;
/// Fields and free text of one letter, without attachments, bytes.
pub const TEXT_MAX: usize = 48 * 1024;
/// Words of original text of a letter at FLASH or IMMEDIATE, as military practice has it. More: refused, with
/// the advice to attach the details.
pub const URGENT_WORDS_MAX: usize = 200;
/// Parts of one letter's plaintext.
pub const PARTS_MAX: usize = 128;
/// Largest sealed body: text and attachments, framing, Padmé's at most 12 %, AEAD tags.
pub const BODY_MAX: usize = 288 * 1024;
/// Bodies up to this size travel with the header in gossip; larger ones are fetched.
pub const GOSSIP_BODY_MAX: usize = 16 * 1024;
/// Largest whole envelope.
pub const ENVELOPE_MAX: usize = 640 * 1024;
/// Largest gossip message of ours: header, signatures, all stanzas, a body that may ride along.
pub const GOSSIP_MAX: usize = 352 * 1024;
/// What the gossip layer is told; it compares a buffer of one frame plus up to 8 KiB of the next.
pub const GOSSIP_FRAME_MAX: usize = 1024 * 1024;
/// Largest frame of a request or an answer between stations.
pub const FRAME_MAX: usize = 1024 * 1024;
/// Bytes of envelopes in one answer of catch-up.
pub const BATCH_BYTES: usize = 512 * 1024;
/// Envelopes in one answer of catch-up.
pub const BATCH_COUNT: usize = 256;
/// Requests for missing numbers under way to one peer at once.
pub const WANTS_PER_PEER: usize = 4;
/// Missing numbers asked for per author at a time (`docs/spec/sync.md`).
pub const MISSING_MAX: u64 = 1_024;
/// Ranges above the mark in one entry of a summary.
pub const RANGES_MAX: usize = 64;
/// Entries in one summary; more go in the next.
pub const SUMMARY_MAX: usize = 4_096;
/// Entries in one receipt.
pub const RECEIPT_ENTRIES_MAX: usize = 64;
/// Largest signed document: an accord of `PARTIES_MAX` parties, each with an Ed25519 and an
/// ML-DSA-44 key and both signatures (about 4,040 bytes a party).
pub const DOCUMENT_MAX: usize = 960 * 1024;
/// Signatures on one document: two of each party.
pub const DOCUMENT_SIGNATURES_MAX: usize = 2 * PARTIES_MAX;
/// Documents kept. Above it attestations go first, then charters, contacts, certificates; all
/// stations choose the same ones.
pub const DOCUMENTS_MAX: usize = 16_384;
/// A document up to this size is offered whole to every peer; a larger one by its digest, so that a
/// large accord crosses each link once.
pub const OFFER_DOCUMENT_MAX: usize = 16 * 1024;
/// Offers of documents taken from one peer a minute; more are left to the comparison.
pub const OFFERS_PER_MINUTE: u64 = 60;
/// Burst over that rate.
pub const OFFERS_BURST: u64 = 240;
/// Documents that are asked for because somebody named them; more are left to the comparison.
pub const OFFERED_MAX: usize = 256;
/// Versions of the accord kept, contested ones too: one a month for forty years. The lowest stay.
pub const ACCORDS_MAX: usize = 512;
/// Charters kept, with all their versions. The lowest versions stay.
pub const CHARTERS_MAX: usize = 1_024;
/// Certificates kept that one authority key signed: the newest of each station, then the second of
/// each, and so on. A key has room of its own, so that a stolen one pushes out nothing of others.
pub const CERTIFICATES_PER_KEY_MAX: usize = 64;
/// Revocations kept that one authority key signed: one of each key, those of authority keys first.
pub const REVOCATIONS_PER_KEY_MAX: usize = 64;
/// Parties in one accord.
pub const PARTIES_MAX: usize = 240;
/// Keys in one certificate, or of one party in the accord.
pub const KEYS_MAX: usize = 24;
/// Own epoch keys that a station opens letters with: the one in use and the latest before it. A
/// letter sealed to one that is older still is asked for again like any that was lost.
pub const EPOCHS_OWN_MAX: usize = 8;
/// Epoch keys of another station that letters of its are opened by. With [`EPOCHS_OWN_MAX`] at most
/// 128 agreements of about 50 µs a station, made when its certificate is read.
pub const EPOCHS_PEER_MAX: usize = 16;
/// How long a station that has new keys still links by its PEER key before them when not everybody is
/// known to have heard; whoever comes later hears of it from the others.
pub const PEER_OVERLAP: u64 = 10 * MINUTE;
/// Addresses, and offices, in one contact record.
pub const CONTACT_ITEMS_MAX: usize = 16;
/// Characters of a name or title in a document; of free text in a charter, sixteen times that.
pub const NAME_MAX: usize = 128;
/// Bytes of an office's signature that are kept; the longest algorithm that is foreseen, ML-DSA-44,
/// has 2,420. A longer one counts as one that does not hold.
pub const OFFICE_SIGNATURE_MAX: usize = 4_096;
/// How far the time in an office's statement may lie from the clock of the station that takes it: a
/// card is put in and a PIN typed meanwhile. Further off, the station refuses it.
pub const OFFICE_CLOCK: u64 = 10 * MINUTE;
/// Heads that one revocation names: feeds or documents that its party stands by.
pub const REVOCATION_HEADS_MAX: usize = 1_024;
/// Groups that one station knows.
pub const GROUPS_MAX: usize = 256;
/// Stations of one party.
pub const STATIONS_PER_PARTY_MAX: usize = 16;
/// Drafts that wait until the station may speak; more are refused with words.
pub const DRAFTS_WAITING_MAX: usize = 1_024;
/// Largest content of a journal record: a whole envelope, or an opened letter under the archive key.
pub const RECORD_MAX: usize = 1024 * 1024;
/// Inputs handled before one sync.
pub const BATCH_INPUTS: usize = 256;
/// Headers whose signature is not verified again when a copy comes by another way; 32 bytes each.
pub const VERIFIED_MAX: usize = 1_024;
/// Digests remembered per feed, to tell a copy from an equivocation.
pub const DIGESTS_PER_FEED: usize = 1_024;

/// Second headers of one number that are kept of a feed, as proof; further ones are taken for copies.
pub const FORKS_PER_FEED: usize = 16;

/// Largest proof that an author wrote twice, bytes: two headers of at most [`HEADER_MAX`], each with
/// framing, one signature (key 16, algorithm 1, length 2, Ed25519 64) and its length. Larger: refused.
pub const PROOF_MAX: usize = 2 * (HEADER_MAX + 7 + 1 + 83 + 3);
/// Proofs kept, one of each author and lane: about 3 MB. Further authors are marked, not proven.
pub const PROOFS_MAX: usize = 4_096;
/// Headers that wait for the one they contradict to be read from the store. When there are more, all
/// are forgotten until the next start finds them again.
pub const PROOFS_PENDING_MAX: usize = 64;

/// Headers a carrier takes per author and minute from gossip; above it they are deferred.
pub const HEADERS_PER_MINUTE: u64 = 60;
/// Burst over that rate.
pub const HEADERS_BURST: u64 = 120;

/// `made_at` further ahead than this is kept and flagged.
pub const FUTURE_FLAG: u64 = 5 * MINUTE;
/// Own clock further from the median of the peers than this is in doubt.
pub const CLOCK_DOUBT: u64 = 2 * MINUTE;
/// Letters remembered that are not said again because they expired: a clock that was wrong when they
/// did brings the first so many of them back.
pub const EXPIRED_NOTED: usize = 4_096;
/// Pair-lane envelopes carried for others are kept this long.
pub const CARRY_PAIR: u64 = 72 * HOUR;
/// Pair-lane envelopes carried for others at once; more are left to other carriers.
pub const CARRIED_MAX: usize = 65_536;
/// One author's share of them, so that nobody fills the room of all others: sixteen authors do.
pub const CARRIED_PER_AUTHOR: usize = CARRIED_MAX / 16;
/// Bytes of ids of carried envelopes in one answer; with [`BATCH_BYTES`] of entries it fits a frame.
pub const CARRIED_BYTES: usize = 256 * 1024;
/// Bodies of letters between others are carried this long, where the operator says nothing else: as
/// long as a letter is repeated ([`EXPIRE_DEFAULT`]), so that no letter on its way lacks its body.
pub const KEEP_BODIES: u64 = 30 * DAY;
/// What is carried on a pair's lane is judged up to this age; what is older is kept, because it may
/// be our own, under keys that are gone.
pub const FOREIGN_JUDGED: u64 = 90 * DAY;
/// A peer that gave a header without its body is not asked for it again before this.
pub const BODILESS_AGAIN: u64 = HOUR;
/// Peers and feeds of which that is remembered; of further ones the numbers are asked for sooner.
pub const BODILESS_MAX: usize = 4_096;
/// Envelopes that are carried once more after their body was let go, because their author still
/// looks for a carrier; further ones are deferred.
pub const REFILLED_MAX: usize = 4_096;
/// Bodies that were let go and are remembered by name, so that whoever brings one again is not told
/// that it is held; by age that is known of all.
pub const LET_GO_NOTED: usize = 65_536;
/// How long a restarted station waits for answers about its own heads.
pub const HEADS_WAIT: u64 = 30 * SECOND;
/// Once every linked peer has answered, how long it waits for further ones to link.
pub const HEADS_GRACE: u64 = 3 * SECOND;
/// Beacons of a station that are kept to be shown to it: where two nodes bear its name, two of each.
pub const ECHOES: usize = 4;
/// Older ones are not shown.
pub const ECHO_FOR: u64 = MINUTE;
/// A beacon in our own name that is heard so soon after our start may be one of the run before that
/// was still under way.
pub const OWN_UNDER_WAY: u64 = 4 * BEACON_EVERY;
/// Interval of beacons.
pub const BEACON_EVERY: u64 = 5 * SECOND;
/// A linked neighbour whose beacon is not heard for this long by gossip is redialled.
pub const BEACON_SILENCE: u64 = 3 * BEACON_EVERY + SECOND;
/// A request between stations without an answer after this is given up; one for envelopes counts as
/// slow then, and others are asked for them as well.
pub const REQUEST_WAIT: u64 = 10 * SECOND;
/// One for envelopes is given up after this: over 64 kbit/s the largest takes most of it.
pub const WANT_WAIT: u64 = MINUTE;
/// Envelopes that are asked for at once of a peer whose pace is not known yet; at most
/// [`BATCH_COUNT`] later, and one where it is slow.
pub const WANT_FIRST: usize = 32;
/// A pushed pair-lane envelope without confirmation after this goes into the group's gossip.
pub const PUSH_CONFIRM: u64 = 3 * SECOND;
/// Reconciliation with a random linked peer.
pub const RECONCILE_EVERY: u64 = 20 * SECOND;
/// Entries in one list of letters that were asked for again, and letters named in one question.
pub const RESEND_ENTRIES_MAX: usize = 256;
/// Letters of one author that are listed, or sealed again for one asker; the newest ones.
pub const RESEND_LETTERS_MAX: usize = 4_096;
/// Envelopes remembered in which one letter was sealed again; receipts name the newest ones.
pub const COPIES_MAX: usize = 32;
/// Between two letters that are sealed again, whoever asked: 1,000 letters take four minutes.
pub const RESEND_EVERY: u64 = SECOND / 4;
/// One asker gets a list at most this often.
pub const RESEND_ANSWER_EVERY: u64 = 30 * SECOND;
/// An author that did not answer, or did not send all, is asked again after this; then twice as
/// long each time.
pub const RESEND_AGAIN: u64 = MINUTE;
/// Longest time between two questions.
pub const RESEND_AGAIN_MAX: u64 = HOUR;
/// How much before the last own record a loss is taken to begin: clocks of others may be behind.
pub const RESEND_MARGIN: u64 = 10 * MINUTE;
/// A letter without `expires` is repeated this long.
pub const EXPIRE_DEFAULT: u64 = 30 * DAY;

/// Checks of fingerprints that are remembered: four of each party. Beyond, the oldest is forgotten.
pub const CHECKS_MAX: usize = 4 * PARTIES_MAX;
/// Characters of the name of whoever compared fingerprints.
pub const CHECKER_MAX: usize = 128;
/// Wrong answers to one identity check; after that its code is void.
pub const CHECK_TRIES: usize = 3;
/// How long the code of an identity check holds.
pub const IDENTITY_WAIT: u64 = DAY;
/// Rows of incidents that are remembered; beyond, those of the oldest day go.
pub const INCIDENTS_MAX: usize = 1_024;
/// Rows of one day; what comes beyond is counted without a name, in one row for each cause.
pub const INCIDENTS_PER_DAY: usize = 128;
/// Letters of one party and one watched type that are found without a search.
pub const NEWEST_KEPT: usize = 16;
/// Values that letters which are kept have in common (parties, feeds, keys, names of types) and that
/// are held once; further ones stand in each letter that has them.
pub const NAMES_MAX: usize = 4_096;
/// Own letters of one watched type that are found without a search.
pub const OWN_NEWEST_KEPT: usize = 1_024;
/// Contact data older than this are aging.
pub const AGING_AFTER: u64 = 90 * DAY;
/// Contact data older than this are stale.
pub const STALE_AFTER: u64 = 180 * DAY;

const _: () = assert!(STANZAS_MAX.is_power_of_two());
const _: () = assert!(PROOF_MAX < 4_096);
const _: () = assert!(RECORD_MAX >= ENVELOPE_MAX + 64 * 1024 && RECORD_MAX <= u32::MAX as usize);
const _: () = assert!(BODY_MAX > (ATTACHMENTS_MAX + TEXT_MAX) * 112 / 100);
const _: () = assert!(
    ENVELOPE_MAX > HEADER_MAX + SIGNATURES_MAX * 2_500 + STANZAS_MAX * STANZA_LEN + BODY_MAX
);
const _: () =
    assert!(GOSSIP_MAX > HEADER_MAX + 4 * 2_500 + STANZAS_MAX * STANZA_LEN + GOSSIP_BODY_MAX);
const _: () = assert!(GOSSIP_MAX <= GOSSIP_FRAME_MAX - 16 * 1024);
const _: () = assert!(FRAME_MAX > BATCH_BYTES + CARRIED_BYTES + 64 * 1024);
const _: () = assert!(DOCUMENT_MAX > PARTIES_MAX * 4_040 + 8 * 1024);
const _: () = assert!(DOCUMENTS_MAX > PARTIES_MAX * CERTIFICATES_PER_KEY_MAX);
const _: () = assert!(FRAME_MAX > DOCUMENT_MAX + 16 * 1024 && FRAME_MAX > DOCUMENTS_MAX * 36);
const _: () = assert!(FRAME_MAX > ENVELOPE_MAX + 16 * 1024 && FRAME_MAX > BATCH_BYTES + 64 * 1024);
