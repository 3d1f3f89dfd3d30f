//! What is believed follows from the set of documents: any order, any partition into batches, any
//! repetition ends in the same view, also where bounds, conflicts and revocations are met.

use super::*;

/// Steps through an order that a number stands for.
struct Shuffle(Entropy);

impl Shuffle {
    fn new(seed: u8) -> Self {
        Self(Entropy::new(&[seed; 32]))
    }

    fn of<T: Clone>(&mut self, list: &[T]) -> Vec<T> {
        let mut list = list.to_vec();
        for last in (1..list.len()).rev() {
            let other = usize::try_from(self.0.below(last as u64 + 1)).unwrap();
            list.swap(last, other);
        }
        list
    }

    fn batches<T: Clone>(&mut self, list: &[T]) -> Vec<Vec<T>> {
        let mut batches = vec![Vec::new()];
        for entry in list {
            if self.0.below(4) == 0 {
                batches.push(Vec::new());
            }
            batches.last_mut().unwrap().push(entry.clone());
        }
        batches
    }
}

/// Two stations get the documents in orders and batches of their own, then hand one another what
/// the other lacks until nothing is new.
fn assert_converges(founded: &Founded, documents: &[Document], rounds: u8) {
    let expected = {
        let mut all = Directory::new(&founded.accord).unwrap();
        all.admit_all(documents.iter().map(|d| &d.bytes()[..]));
        all.admit_all(documents.iter().map(|d| &d.bytes()[..]));
        all
    };
    for seed in 0..rounds {
        let mut shuffle = Shuffle::new(seed);
        let mut two = [0, 1].map(|_| {
            let mut one = Directory::new(&founded.accord).unwrap();
            let order = shuffle.of(documents);
            let half = &order[..order.len() / 2];
            for batch in shuffle.batches(half) {
                if batch.len() == 1 {
                    let _ = one.admit(batch[0].bytes());
                } else {
                    one.admit_all(batch.iter().map(|d| &d.bytes()[..]));
                }
            }
            (one, order)
        });
        for (one, order) in &mut two {
            one.admit_all(order.iter().map(|d| &d.bytes()[..]));
        }
        let [(mut a, _), (mut b, _)] = two;
        for _ in 0..3 {
            let (of_a, of_b) = (a.documents(), b.documents());
            a.admit_all(of_b.values().map(|d| &d[..]));
            b.admit_all(of_a.values().map(|d| &d[..]));
        }
        for one in [&a, &b] {
            assert_eq!(one.view_text(), expected.view_text(), "seed {seed}");
            assert_eq!(one.copies(), expected.copies(), "seed {seed}");
        }
    }
}

fn codes(list: &[&str]) -> Vec<PartyCode> {
    list.iter().map(|text| code(text)).collect()
}

fn with_roles(list: &[&str]) -> Vec<(PartyCode, Role)> {
    let role = |text: &&str| if *text == "OB1" { Role::Observer } else { Role::State };
    list.iter().map(|text| (code(text), role(text))).collect()
}

const EVERYONE: [&str; 4] = ["AAA", "BBB", "CCC", "OB1"];

/// A branch of the accord: versions 2 to `depth`, of these parties.
fn branch(founded: &Founded, name: &str, parties: &[&str], depth: u32) -> Vec<Document> {
    let mut before = (1, founded.directory().unwrap().accord_digest());
    (2..=depth)
        .map(|version| {
            let list = with_roles(parties);
            let by = codes(&["AAA", "BBB"]);
            let next = founded.accord_after(before, name, &list, 2, &by).unwrap();
            before = (version, next.digest());
            next
        })
        .collect()
}

#[test]
fn contested_accords_end_the_same_whatever_came_first() {
    let founded = founded();
    let one = branch(&founded, "one", &["AAA", "BBB", "OB1"], 3);
    let other = branch(&founded, "other", &EVERYONE, 3);
    let both: Vec<Document> = [&one[..], &other].concat();
    assert_converges(&founded, &both, 12);
    let mut directory = founded.directory().unwrap();
    directory.admit_all(both.iter().map(|d| &d.bytes()[..]));
    let Some(Conflict::Contested { version: 3, heads, parties }) = directory.conflicts().first()
    else {
        panic!("{:?}", directory.conflicts());
    };
    assert!(heads.len() == 2 && *parties == codes(&["CCC"]));
    // Without rights while it is contested, and with those that a successor gives.
    assert_eq!(directory.by_name(&name("CCC/mfa")).unwrap().role, Role::Unknown(0));
    assert_eq!(directory.by_name(&name("BBB/mfa")).unwrap().role, Role::State);
    let last = (3, other.last().unwrap().digest());
    let settled =
        founded.accord_after(last, "settled", &with_roles(&EVERYONE), 2, &codes(&["AAA", "CCC"]));
    let settled = settled.unwrap();
    directory.admit(settled.bytes()).unwrap();
    assert_eq!(directory.by_name(&name("CCC/mfa")).unwrap().role, Role::State);
    let beside = Conflict::AccordBeside {
        version: 3,
        digest: one.last().unwrap().digest(),
        signed_both: codes(&["AAA", "BBB"]),
    };
    assert_eq!(directory.conflicts(), [beside]);
    assert_converges(&founded, &[&both[..], &[settled]].concat(), 12);
}

#[test]
fn charters_that_fork_or_share_a_name_end_the_same() {
    let founded = founded();
    let charter = |group: &str, members: &[&str], after, at| {
        founded.charter(group, &codes(members), after, Timestamp(at)).unwrap()
    };
    let first = charter("north", &["AAA", "BBB", "CCC"], None, 1);
    let twin = charter("north", &["AAA", "CCC"], None, 2);
    let second = charter("north", &["AAA", "BBB"], Some((1, first.digest())), 3);
    let rival = charter("north", &["BBB", "CCC"], Some((1, first.digest())), 4);
    let third = charter("south", &["AAA", "BBB"], Some((2, second.digest())), 5);
    let all = [first.clone(), twin.clone(), second, rival.clone(), third.clone()];
    let all: Vec<Document> =
        founded.documents.iter().map(|d| Document::decode(d).unwrap()).chain(all).collect();
    assert_converges(&founded, &all, 12);
    let mut directory = founded.directory().unwrap();
    directory.admit_all(all.iter().map(|d| &d.bytes()[..]));
    let south = directory.group("south").unwrap();
    assert_eq!(south.charter, Some((3, third.digest())));
    assert_eq!(south.anchor, Some(first.digest()));
    assert!(directory.group("north").unwrap().anchor == Some(twin.digest()));
    let beside = Conflict::CharterBeside { group: "south".to_owned(), digest: rival.digest() };
    assert_eq!(directory.conflicts(), [beside]);
}

#[test]
fn bounds_keep_the_same_documents_whatever_came_first() {
    let founded = founded();
    let mut documents = Vec::new();
    for number in 0..20_u8 {
        let station = name(&format!("AAA/s{number:02}"));
        let keys = fresh(100 + number);
        for serial in 1..=4 {
            documents.push(founded.certify(&station, serial, &keys, Timestamp(serial)).unwrap());
        }
        let addresses = [format!("/ip4/192.0.2.{number}/tcp/1")];
        for serial in [3, 9] {
            let contact =
                make::contact(&founded.network, &station, serial, &addresses, &[], Timestamp(1));
            documents.push(contact.unwrap().signed_by(&keys.sign));
        }
    }
    assert_converges(&founded, &documents, 3);
    let mut directory = founded.directory().unwrap();
    directory.admit_all(documents.iter().map(|d| &d.bytes()[..]));
    assert_eq!(directory.stations_of(&code("AAA")).count(), 16);
    assert!(directory.by_name(&name("AAA/cert")).is_some());
    let Some(Conflict::TooManyStations { left_out, .. }) = directory.conflicts().first() else {
        panic!("{:?}", directory.conflicts());
    };
    assert!(left_out.contains(&name("AAA/s19")));
    // One certificate more, and one less that ranks lower, for the same key.
    assert!(directory.by_name(&name("AAA/s03")).is_some_and(|member| member.serial == 4));
}

/// Everything at once, with signatures that come one by one.
#[test]
fn a_history_of_all_kinds_ends_the_same() {
    let founded = founded();
    let (aaa, bbb, ccc) = (code("AAA"), code("BBB"), code("CCC"));
    let key = |party: &PartyCode| founded.authorities[party].sign.public().id();
    let (mfa, keys) = (name("AAA/mfa"), fresh(60));
    let mut all: Vec<Document> =
        founded.documents.iter().map(|d| Document::decode(d).unwrap()).collect();
    all.extend(branch(&founded, "one", &["AAA", "BBB", "OB1"], 2));
    all.extend(branch(&founded, "other", &EVERYONE, 3));
    let certificate = founded.certify(&mfa, 2, &keys, Timestamp(5)).unwrap();
    all.push(founded.certify(&mfa, 2, &fresh(61), Timestamp(6)).unwrap());
    all.push(founded.certify(&name("BBB/other"), 1, &keys, Timestamp(1)).unwrap());
    let sign = founded.stations[&mfa].sign.public().id();
    all.push(founded.revoke(&mfa, sign, Vec::new(), Timestamp(7)).unwrap());
    all.push(founded.revoke(&mfa, sign, Vec::new(), Timestamp(8)).unwrap());
    let named = [certificate.digest()];
    all.push(founded.revoke_authority(&aaa, key(&aaa), &named, Timestamp(9)).unwrap());
    all.push(founded.revoke_authority(&bbb, key(&bbb), &[], Timestamp(9)).unwrap());
    all.push(founded.revoke_authority(&bbb, key(&bbb), &[all[2].digest()], Timestamp(8)).unwrap());
    all.push(certificate);
    let charter = founded.charter("north", &[aaa.clone(), ccc.clone()], None, Timestamp(1));
    all.push(charter.unwrap());
    for at in [3, 4] {
        all.push(founded.attest(&ccc, &bbb, Method::InPerson, Timestamp(at)).unwrap());
    }
    // Copies of one document by other signers.
    let unsigned = make::accord(&second(&founded, &["AAA", "BBB", "CCC"])).unwrap();
    for by in [["AAA", "BBB"], ["BBB", "CCC"], ["AAA", "CCC"]] {
        all.push(super::sign(&founded, unsigned.clone(), &by));
    }
    assert_converges(&founded, &all, 24);
}
