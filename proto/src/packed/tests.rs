//! Packed things against a plain list of them.

#![allow(clippy::unwrap_used)]

use super::*;

/// Its text says whether it is settled.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Thing {
    key: [u8; KEY],
    number: u64,
    text: String,
}

impl Pack for Thing {
    fn key(&self) -> [u8; KEY] {
        self.key
    }

    fn is_settled(&self) -> bool {
        self.text.starts_with("done")
    }

    fn pack(&self, names: &mut Names, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.key);
        names.put(&self.text, out);
    }

    fn unpack(number: u64, names: &Names, from: &mut Source<'_>) -> Option<Self> {
        let key = from.bytes(KEY)?.try_into().ok()?;
        Some(Self { key, number, text: names.take(from)? })
    }
}

fn thing(number: u64, text: &str) -> Thing {
    // Few keys, so that some have several things.
    let key = crate::primitives::digest("test", &[&(number * 7 % 900).to_be_bytes()]);
    Thing { key: key.0[..KEY].try_into().unwrap(), number, text: text.to_owned() }
}

fn dump(all: &Packed<Thing>) -> Vec<u8> {
    let mut out = Vec::new();
    all.put_in(1..=all.len(), &mut out);
    out
}

/// A thousand things come, and are changed again and again.
fn filled() -> (Packed<Thing>, Vec<Thing>) {
    let (mut all, mut model) = (Packed::default(), Vec::new());
    for number in 1..=1_000_u64 {
        let text = if number % 3 == 0 { "open" } else { "done" };
        model.push(thing(number, text));
        assert_eq!(all.push(thing(number, text)), number);
        let other = number * number / 3 % number + 1;
        for at in [other, number / 2 + 1] {
            let text = format!("{} {}", ["open", "done"][(number % 2) as usize], number % 5);
            all.get_mut(at).unwrap().text.clone_from(&text);
            model[at as usize - 1].text = text;
        }
    }
    (all, model)
}

#[test]
fn what_is_packed_comes_out_as_it_went_in() {
    let (all, model) = filled();
    for one in &model {
        assert_eq!(all.get(one.number).unwrap().into_owned(), *one);
        let same: Vec<u64> = all.with_key(one.key).collect();
        let wanted = model.iter().filter(|other| other.key == one.key).map(|other| other.number);
        assert_eq!(same, wanted.collect::<Vec<_>>());
    }
    assert!(all.get(0).is_none() && all.get(1_001).is_none());
    assert_eq!(all.with_key([0; KEY]).count(), 0);
    let mut keys: Vec<_> = model.iter().map(|one| (one.key, one.number)).collect();
    keys.sort_unstable();
    assert!(all.by_key().eq(keys.into_iter().map(|(_, number)| number)));
}

#[test]
fn what_is_settled_is_packed_and_what_was_left_behind_is_given_back() {
    let (mut all, mut model) = filled();
    for _ in 0..20 {
        for one in model.iter_mut().filter(|one| one.number % 2 == 0) {
            one.text = "done again".to_owned();
            all.get_mut(one.number).unwrap().text.clone_from(&one.text);
        }
    }
    let open = all.open().filter(|one| one.is_settled()).count();
    assert!(open <= 1, "only the one that was touched last may be open: {open}");
    let bytes: usize = model.iter().map(|one| KEY + one.text.len()).sum();
    assert!(all.shelf.bytes() < 3 * bytes, "{} of {bytes}", all.shelf.bytes());
    model.iter().for_each(|one| assert_eq!(all.get(one.number).unwrap().into_owned(), *one));
}

#[test]
fn a_dump_does_not_show_what_was_packed_when() {
    let (mut all, model) = filled();
    let mut other = Packed::default();
    model.iter().for_each(|one| assert!(other.push(one.clone()) > 0));
    assert_eq!(dump(&all), dump(&other));
    let bytes = dump(&all);
    let mut seen = Vec::new();
    let mut source = Source::new(&bytes);
    let mut again = Packed::take_all(&mut source, |_, one: &Thing| seen.push(one.clone())).unwrap();
    assert!(source.is_empty() && seen == model && dump(&again) == bytes);
    assert!(again.by_key().eq(all.by_key()));
    for packed in [&mut all, &mut again] {
        packed.get_mut(7).unwrap().text = "done anew".to_owned();
        packed.push(thing(1_001, "done"));
    }
    assert_eq!(dump(&all), dump(&again));
}

#[test]
fn a_dump_that_is_cut_is_not_taken() {
    let (all, _) = filled();
    let bytes = dump(&all);
    for cut in (0..bytes.len()).step_by(97) {
        let taken: Option<Packed<Thing>> =
            Packed::take_all(&mut Source::new(&bytes[..cut]), |_, _| {});
        assert!(taken.is_none(), "{cut}");
    }
}

#[test]
fn names_without_end_take_no_room_of_their_own() {
    let (mut names, mut out) = (Names::default(), Vec::new());
    let count = crate::limits::NAMES_MAX as u64 + 10;
    (0..count).for_each(|name| names.put(&name, &mut out));
    (0..count).for_each(|name| names.put(&name, &mut out));
    let mut known = Vec::new();
    names.put_all(&mut known);
    assert_eq!(known.len(), 4 + crate::limits::NAMES_MAX * 12);
    let names = Names::take_all(&mut Source::new(&known)).unwrap();
    let mut from = Source::new(&out);
    for name in (0..count).chain(0..count) {
        assert_eq!(names.take::<u64>(&mut from), Some(name));
    }
    assert!(from.is_empty());
}

#[test]
fn numbers_of_any_size_are_read_as_they_were_written() {
    for number in [0, 1, 127, 128, 1 << 35, u64::MAX - 1, u64::MAX] {
        for near in [0, 5, 1 << 40, u64::MAX] {
            let mut out = Vec::new();
            put_number(number, &mut out);
            put_signed(number, near, &mut out);
            let mut from = Source::new(&out);
            assert_eq!(take_number(&mut from), Some(number));
            assert_eq!(take_signed(near, &mut from), Some(number));
            assert!(from.is_empty());
        }
    }
}
