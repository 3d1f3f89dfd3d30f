//! Documents that change while stations run.

use bytes::Bytes;
use cbm_proto::accord::News;

use super::hall::Hall;

#[test]
fn documents_that_our_own_people_hand_in_are_believed_kept_and_answered_one_by_one() {
    let mut hall = Hall::of(&["AAA", "BBB", "CCC"], &["AAA"]);
    hall.begin_knowing_nobody("AAA/mfa");
    let mut documents = hall.documents();
    let accord = documents.remove(0);
    documents.reverse();
    documents.push(Bytes::from_static(b"no document"));
    let fates = hall.publish("AAA/mfa", &documents);
    let (last, good) = fates.split_last().unwrap();
    assert!(good.iter().all(|fate| fate.as_ref().unwrap().news == News::New), "{good:?}");
    assert!(last.as_ref().unwrap_err().contains("not a document"), "{last:?}");
    assert_eq!(hall.station("AAA/mfa").directory().members().count(), 3);
    let again = hall.publish("AAA/mfa", &[accord]);
    assert_eq!(again[0].as_ref().unwrap().news, News::Known);
    let journal = hall.station_journal("AAA/mfa");
    hall.begin_with("AAA/mfa", journal, &[]);
    assert_eq!(hall.station("AAA/mfa").directory().members().count(), 3, "kept");
}
